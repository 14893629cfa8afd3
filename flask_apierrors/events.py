"""Logging: each error is exactly one structlog event."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from flask_apierrors.errors import APIError
from flask_apierrors.logs import LineBoundLogger, LineLoggerFactory, line_bound_logger, make_chain
from flask_apierrors.redaction import REDACTED, is_secret_key, redact
from flask_apierrors.sink import Sink
from flask_apierrors.text import fault_name, plain, text, type_name

if TYPE_CHECKING:
    from flask_apierrors.report import Report

LOGGER = "flask_apierrors"
EVENT = "api_error"

#: The fields of an event: name and meaning.
FIELDS = {
    "event": "always `api_error`",
    "level": "`debug`, `info`, `warning`, `error` or `critical`",
    "timestamp": "when the line was written: ISO 8601, UTC",
    "logger": "always `flask_apierrors`",
    "error_code": "the code of the catalogue",
    "status": "the HTTP status of the response",
    "request_id": "the request id",
    "method": "the HTTP method",
    "path": "the path of the URL, decoded, without query string",
    "route": "the URL rule; null where none matched",
    "description": "the `error_description` of the response",
    "details": "field errors as an array of `path` and `message`; absent when there are none",
    "exception": "the traceback; of crashes and mapped exceptions only",
    "cause": "the type of the exception given as `cause`; absent when there is none",
    "faults": "what went wrong while the error was handled; absent when nothing did",
}

# Words that mean something to structlog, to logging.LogRecord (where they raise KeyError) or to shippers.
_RESERVED = (
    FIELDS.keys()
    | vars(logging.makeLogRecord({})).keys()
    | {
        "asctime",
        "error",
        "exc_info",
        "message",
        "method_name",
        "positional_args",
        "self",
        "stack",
        "stack_info",
        "stacklevel",
        "taskName",
    }
    | {"_from_structlog", "_name", "_record"}
)


def fields_of(
    report: Report, request_id: str | None, method: str, path: str, route: str | None, faults: list[str]
) -> dict[str, Any]:
    """The fields of an event, JSON-ready; a context key that would collide gets the prefix `context_`."""
    # To take a tuple apart once is cheaper than to ask it for field after field.
    entry, status, description, _, exc, unexpected, details, _, _, context, _ = report
    fields: dict[str, Any] = {
        "error_code": entry.code,
        "status": status,
        "request_id": request_id,
        "method": method,
        "path": path,
        "route": route,
        "description": description,
    }
    if details:
        fields["details"] = [{"path": path, "message": message} for path, message in details]
    if unexpected:
        fields["exc_info"] = exc
    if faults:
        fields["faults"] = faults
    try:
        if isinstance(exc, APIError) and exc.__cause__ is not None:
            fields["cause"] = type_name(exc.__cause__)
        if context:
            _add_context(fields, context)
    except Exception as fault:
        fields["faults"] = [*faults, fault_name("context", fault)]
    return fields


def _add_context(fields: dict[str, Any], context: Mapping[str, Any]) -> None:
    for key, value in context.items():
        name = key if type(key) is str else text(key, 200)
        while name in _RESERVED or name in fields:
            name = f"context_{name}"
        if is_secret_key(name):
            fields[name] = REDACTED
        elif type(value) is int and value.bit_length() < 54:  # such as a key of the database: nothing to be done
            fields[name] = value
        else:
            fields[name] = redact(plain(value))


def emit(level: str, fields: dict[str, Any]) -> None:
    """Write the event through the application's structlog configuration.

    Where structlog is not configured, or its chain raises, the event goes to standard output as a JSON line; nothing
    global is touched.
    """
    if structlog.is_configured():
        try:
            logger = _logger()
            if isinstance(logger, LineBoundLogger):
                logger.pass_on(level, EVENT, fields)
            else:
                getattr(logger, level)(EVENT, **fields)
            return
        except Exception as fault:
            fields["faults"] = [*fields.get("faults", ()), fault_name("structlog", fault)]
    _own_logger.pass_on(level, EVENT, fields)


# The last bound logger, and the configuration that it was made from.
_kept: tuple[Any, dict[str, Any] | None] = (None, None)


def _logger() -> Any:
    """The logger of the application's structlog configuration.

    Binding one costs as much as rendering an event. It is kept as long as the configuration stays, and only where a
    logger holds nothing that may change: the factory is ours, or the application lets loggers be cached.
    """
    global _kept
    config = structlog.get_config()
    logger, known = _kept
    # An equal list of processors is not enough: capture_logs changes the one that is configured.
    if known is None or config["processors"] is not known["processors"] or config != known:
        logger = structlog.get_logger(LOGGER).bind()
        if type(config["logger_factory"]) is LineLoggerFactory or config["cache_logger_on_first_use"] is True:
            _kept = (logger, config)
    return logger


_chain, _factory = make_chain("json", Sink())
_own_logger: Any = structlog.wrap_logger(
    _factory(LOGGER), processors=_chain, wrapper_class=line_bound_logger(logging.DEBUG)
).bind()
