"""Logging set up in one call: structlog and the standard library's logging through one pipe, one line per event."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar, copy_context
from typing import IO, Any

import structlog
from flask.logging import default_handler
from structlog.contextvars import STRUCTLOG_KEY_PREFIX

from flask_apierrors.catalog import LEVELS
from flask_apierrors.jsonbytes import dumps
from flask_apierrors.requestid import get_request_id
from flask_apierrors.sink import Sink
from flask_apierrors.text import clean, plain, text
from flask_apierrors.timestamps import utc_now
from flask_apierrors.tracebacks import format_traceback

EventDict = structlog.typing.EventDict
Renderer = Callable[[Any, str, EventDict], "bytes | str"]

_add_extras = structlog.stdlib.ExtraAdder()
# What Werkzeug's development server puts into its lines for a terminal.
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def render_json(logger: Any, method: str, event: EventDict) -> bytes:
    """A structlog processor that makes an event one JSON line in a single pass.

    Adds `timestamp` (ISO 8601, UTC), `level`, `logger`, the bound context variables and `request_id`; turns `exc_info`
    into `exception`. Values that JSON does not know become text; nothing that is logged makes it raise.
    """
    message = event.pop("event", None)
    _complete(logger, event)
    if "exc_info" in event:
        exc = _exception_of(event.pop("exc_info"))
        if exc is not None:
            event["exception"] = format_traceback(exc)
    line = {"timestamp": utc_now(), "level": method, "event": message, **event}
    try:
        return dumps(line)
    except Exception:
        return dumps(plain(line))


def render_console(logger: Any, method: str, event: EventDict) -> str:
    """A structlog processor that makes an event a line for people, in colour on a terminal."""
    _complete(logger, event)
    exc = _exception_of(event.pop("exc_info", None))
    line = plain({"timestamp": utc_now(), "level": method, **event})
    if exc is not None:
        line["exception"] = format_traceback(exc)
    renderer = structlog.dev.ConsoleRenderer(colors=bool(sys.stdout) and sys.stdout.isatty())
    return str(renderer(logger, method, line))


#: One row per format; a format is a processor that ends the chain with one line.
FORMATS: dict[str, Renderer] = {"json": render_json, "console": render_console}


class _Keys(dict[ContextVar[Any], str]):
    """The keys of what is bound by `structlog.contextvars`; those of all other context variables are empty.

    To ask each variable for its name, as `merge_contextvars` does, costs more than all else that `_complete` does.
    """

    def __missing__(self, var: ContextVar[Any]) -> str:
        if len(self) >= 1000:  # variables are made once, at import; whoever makes more must not be kept alive by this
            self.clear()
        name = var.name
        self[var] = key = name[len(STRUCTLOG_KEY_PREFIX) :] if name.startswith(STRUCTLOG_KEY_PREFIX) else ""
        return key


_keys = _Keys()


def _complete(logger: Any, event: EventDict) -> None:
    for var in copy_context():
        key = _keys[var]
        if key and key not in event and (value := var.get()) is not ...:
            event[key] = value
    if "request_id" not in event:
        request_id = get_request_id()
        if request_id is not None:
            event["request_id"] = request_id
    if type(logger) is LineLogger and logger.name is not None and "logger" not in event:
        event["logger"] = logger.name


def _exception_of(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if len(exc_info) == 3 and isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


class LineLogger:
    """The logger at the end of structlog's chain: hands each rendered line to the sink."""

    __slots__ = ("_sink", "name")

    def __init__(self, name: str | None, sink: Sink) -> None:
        self.name = name
        self._sink = sink

    def msg(self, line: bytes | str) -> None:
        """Write one line."""
        self._sink.write(line if isinstance(line, bytes) else clean(line, len(line)).encode())

    debug = info = warn = warning = error = critical = fatal = exception = log = msg


class LineHandler(logging.Handler):
    """Sends the standard library's log records down the same pipe."""

    def __init__(self, render: Renderer, sink: Sink) -> None:
        super().__init__()
        self._render = render
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; its `extra` fields are fields of the line."""
        try:
            message = record.getMessage()
        except Exception:
            message = f"{text(record.msg)} (the arguments do not fit this message)"
        event: EventDict = {"_record": record}
        try:
            _add_extras(logging.root, "", event)
            event.update(event=_ANSI.sub("", message), logger=record.name)
            del event["_record"]
            if record.exc_info:
                event["exc_info"] = record.exc_info
            if record.stack_info:
                event["stack"] = record.stack_info
            line = self._render(None, record.levelname.lower(), event)
            self._sink.write(line if isinstance(line, bytes) else line.encode())
        except Exception:
            self.handleError(record)


class LineBoundLogger:
    """A shorter way through a bound logger of structlog's.

    An event's fields are passed on as a dict instead of four times as keywords: that halves what structlog costs.
    """

    _levels: frozenset[str]
    # Of structlog's bound loggers.
    _context: EventDict
    _processors: Iterable[Callable[..., Any]]
    _logger: LineLogger

    def pass_on(self, method: str, event: str | None, fields: EventDict) -> None:
        """Log an event, unless its level is too low; `fields` stays as it is."""
        if method not in self._levels:
            return
        line: Any = {**self._context, **fields}
        if event is not None:
            line["event"] = event
        try:
            for processor in self._processors:
                line = processor(self._logger, method, line)
        except structlog.DropEvent:
            return
        self._logger.msg(line)


def line_bound_logger(threshold: int) -> type[Any]:
    """structlog's filtering bound logger with the shorter way through it."""
    filtering: Any = structlog.make_filtering_bound_logger(threshold)

    def make(method: str, inherited: Callable[..., Any]) -> Callable[..., Any]:
        def log(self: Any, event: str | None = None, *args: Any, **fields: Any) -> Any:
            return inherited(self, event, *args, **fields) if args else self.pass_on(method, event, fields)

        return log

    names = frozenset(name for name in LEVELS if getattr(logging, name.upper()) >= threshold)
    methods = {name: make(name, getattr(filtering, name)) for name in names}
    return type("LineBoundLogger", (LineBoundLogger, filtering), {**methods, "_levels": names})


class LineLoggerFactory:
    """Makes the loggers at the end of structlog's chain."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def __call__(self, *names: str) -> LineLogger:
        return LineLogger(names[0] if names else None, self._sink)


def make_chain(
    format: str, sink: Sink, processors: Iterable[structlog.typing.Processor] = ()
) -> tuple[list[structlog.typing.Processor], LineLoggerFactory]:
    """The processors and the logger factory of a structlog configuration that writes to a sink."""

    return [*processors, FORMATS[format]], LineLoggerFactory(sink)


def configure_logging(
    format: str = "json",
    *,
    level: str = "info",
    stream: IO[Any] | None = None,
    processors: Iterable[structlog.typing.Processor] = (),
) -> None:
    """Set structlog and the standard library's logging up; the only place of the extension that changes global state.

    Lines of structlog, of `logging`, and so of Werkzeug and every other library, go to one stream, one write per line,
    with the request id. Handlers of the root logger that write to standard output or standard error, and Flask's
    default handler, are taken away, so that no line comes twice; other handlers stay. May be called again.

    Args:
        format: `json` (one JSON object a line) or `console` (for people).
        level: the lowest level that is written: debug, info, warning, error or critical.
        stream: a text or binary stream; the default is what `sys.stdout` is when a line is written.
        processors: structlog processors that run before the line is rendered.

    Raises:
        ValueError: an unknown format or level.
    """
    if format not in FORMATS:
        raise ValueError(f"format {format!r} is not known; known are {', '.join(FORMATS)}")
    if not isinstance(level, str) or level.lower() not in LEVELS:
        raise ValueError(f"level {level!r} is not known; known are {', '.join(LEVELS)}")
    threshold = getattr(logging, level.upper())
    sink = Sink(stream)
    chain, factory = make_chain(format, sink, processors)
    structlog.configure(
        processors=chain,
        wrapper_class=line_bound_logger(threshold),
        context_class=dict,
        logger_factory=factory,
        # A cached logger would keep an earlier configuration, also through structlog.testing.capture_logs.
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, LineHandler) or _writes_to_terminal(handler):
            root.removeHandler(handler)
    root.addHandler(LineHandler(FORMATS[format], sink))
    root.setLevel(threshold)
    for logger in list(root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.removeHandler(default_handler)


def _writes_to_terminal(handler: logging.Handler) -> bool:
    standard = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return type(handler) is logging.StreamHandler and handler.stream in standard
