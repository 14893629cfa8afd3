"""Logging: each error is exactly one structlog event."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from flask_apierrors.logs import LineLoggerFactory, make_chain
from flask_apierrors.redaction import REDACTED, is_secret_key, redact
from flask_apierrors.sink import Sink
from flask_apierrors.text import fault_name, plain, text, type_name

if TYPE_CHECKING:
    from flask_apierrors.report import Report

LOGGER = "flask_apierrors"
EVENT = "api_error"

#: The fields of an event, in their order: name and meaning.
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
    fields: dict[str, Any] = {
        "error_code": report.entry.code,
        "status": report.status,
        "request_id": request_id,
        "method": method,
        "path": path,
        "route": route,
        "description": report.description,
    }
    if report.details:
        fields["details"] = [{"path": path, "message": message} for path, message in report.details]
    if report.unexpected:
        fields["exc_info"] = report.exception
    if faults:
        fields["faults"] = faults
    if not report.unexpected and report.exception.__cause__ is not None:
        fields["cause"] = type_name(report.exception.__cause__)
    try:
        if report.context:
            _add_context(fields, report.context)
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
        elif type(value) is int or value is None:
            fields[name] = plain(value)
        else:
            fields[name] = redact(plain(value))


def emit(level: str, fields: dict[str, Any]) -> None:
    """Write the event through the application's structlog configuration.

    Where structlog is not configured, or its chain raises, the event goes to standard output as a JSON line; nothing
    global is touched.
    """
    if structlog.is_configured():
        try:
            getattr(_logger(), level)(EVENT, **fields)
            return
        except Exception as fault:
            fields["faults"] = [*fields.get("faults", ()), fault_name("structlog", fault)]
    try:
        getattr(_own_logger, level)(EVENT, **fields)
    except Exception as fault:
        # The fields themselves cannot be rendered; what is certain to be text still tells which request it was.
        known = {key: text(fields.get(key)) for key in ("error_code", "request_id", "method", "path")}
        getattr(_own_logger, level)(EVENT, **known, faults=[fault_name("event", fault)])


# The last bound logger, and the parts of the configuration that it was made from.
_kept: tuple[Any, ...] = (None, None, None, None, None)


def _logger() -> Any:
    """The logger of the application's structlog configuration.

    Binding one costs as much as rendering an event. It is kept as long as the configuration stays, and only where a
    logger holds nothing that may change: the factory is ours, or the application lets loggers be cached.
    """
    global _kept
    config = structlog.get_config()
    factory = config["logger_factory"]
    if type(factory) is not LineLoggerFactory and config["cache_logger_on_first_use"] is not True:
        return structlog.get_logger(LOGGER)
    processors, wrapper, context = config["processors"], config["wrapper_class"], config["context_class"]
    kept = _kept
    if kept[1] is factory and kept[2] is processors and kept[3] is wrapper and kept[4] is context:
        return kept[0]
    logger = structlog.get_logger(LOGGER).bind()
    _kept = (logger, factory, processors, wrapper, context)
    return logger


_chain, _factory = make_chain("json", Sink())
_own_logger: Any = structlog.wrap_logger(
    _factory(LOGGER), processors=_chain, wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG)
)
