"""What several candidates have in common: the schema, and the ids and events that a user of a peer adds by hand."""

import logging
import re
from uuid import uuid4

import structlog
from flask import g, request
from marshmallow import Schema, fields, validate

from benchmarks.driver import SINK

VALID_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}").fullmatch


class UserSchema(Schema):
    email = fields.Email(required=True)
    name = fields.String(required=True, validate=validate.Length(min=1, max=80))


SCHEMA = UserSchema()


def configure_structlog():
    """structlog as its documentation sets it up, for JSON lines."""
    structlog.configure(
        processors=[*_shared_processors(), structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(SINK),
    )


def configure_logging():
    """The records of the standard library's loggers, Flask's own among them, as the same JSON lines."""
    handler = logging.StreamHandler(SINK)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def _shared_processors():
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


def add_request_ids(app):
    """Give each request an id: in `g`, in structlog's context and in the response's header."""

    @app.before_request
    def begin():
        inbound = request.headers.get("X-Request-ID")
        g.request_id = inbound if inbound and VALID_ID(inbound) else f"req_{uuid4().hex[:26]}"
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response):
        response.headers["X-Request-ID"] = g.request_id
        return response
