"""Handling: an exception is converted, rendered, logged and answered. Whatever fails here costs one rung, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flask import current_app, request
from werkzeug.exceptions import HTTPException, InternalServerError, default_exceptions
from werkzeug.wrappers import Response

from flask_apierrors.catalog import UnknownErrorCode
from flask_apierrors.debug import HEADER, debug_member, is_debug_allowed
from flask_apierrors.envelope import STATIC_ENVELOPE, render
from flask_apierrors.errors import APIError
from flask_apierrors.events import emit, fields_of
from flask_apierrors.headers import Pairs, headers_of
from flask_apierrors.report import Report, convert, crash_report, is_deep_json
from flask_apierrors.requestid import CURRENT, current_request
from flask_apierrors.signals import error_handled
from flask_apierrors.text import fault_name

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask import Flask, Request
    from flask.typing import ErrorHandlerCallable as ErrorHandler
    from werkzeug.routing import Rule

    from flask_apierrors.report import Rules

#: The attribute by which a handler is known to be the extension's.
OURS = "flask_apierrors_handler"

CONTENT_TYPE = "application/json"


class Exchange(NamedTuple):
    """The request that failed, as far as an error's answer and event tell of it."""

    app: Flask
    environ: WSGIEnvironment
    request_id: str | None
    method: str
    path: str
    rule: Rule | None
    #: Absent where Flask's request context has gone.
    request: Request | None


class Answer(NamedTuple):
    """The response to an error."""

    status: int
    headers: Pairs
    body: bytes


def handle(exc: BaseException, rules: Rules, exchange: Exchange) -> Answer:
    """The way of every error."""
    try:
        report = convert(exc, rules)
    except Exception as fault:
        report = crash_report(exc, rules, fault_name("convert", fault))
    faults = list(report.faults)
    body = _rendered(report, rules, exchange, faults)
    headers = headers_of(report, exchange.environ, exchange.rule, rules.settings.realm, faults)
    _log(report, exchange, faults)
    if not report.unexpected:
        # Its frames hold the request, which holds a routing error: a cycle, and the collector's work on every error.
        exc.__traceback__ = None
    return Answer(report.status, headers, body)


def _rendered(report: Report, rules: Rules, exchange: Exchange, faults: list[str]) -> bytes:
    debug = None
    header = exchange.environ.get(HEADER)
    if header is not None and exchange.request is not None:
        try:
            if is_debug_allowed(header, rules.settings, exchange.app.debug):
                debug = debug_member(report, exchange.request)
        except Exception as fault:
            faults.append(fault_name("debug", fault))
    try:
        return render(report, exchange.request_id if rules.settings.request_id_in_body else None, debug)
    except Exception as fault:
        faults.append(fault_name("render", fault))
        return STATIC_ENVELOPE


def _log(report: Report, exchange: Exchange, faults: list[str]) -> None:
    """Write the event, then tell the signal's receivers; neither changes the response."""
    app, _, request_id, method, path, rule, _ = exchange
    try:
        emit(report.level, fields_of(report, request_id, method, path, None if rule is None else rule.rule, faults))
    except Exception:  # not even standard output takes a line
        app.logger.exception("flask_apierrors could not log the error of request %s", request_id)
    if error_handled.receivers:
        try:
            error_handled.send(app, _async_wrapper=app.ensure_sync, report=report, request_id=request_id)
        except Exception:
            app.logger.exception("A receiver of flask_apierrors.error_handled failed in request %s", request_id)


def _exchange() -> Exchange:
    """The exchange of Flask's current request."""
    app, current = current_app._get_current_object(), request._get_current_object()  # type: ignore[attr-defined]
    state = current_request()
    request_id = None if state is None else state.id
    return Exchange(app, current.environ, request_id, current.method, current.path, current.url_rule, current)


def _respond(app: Flask, answer: Answer) -> Response:
    status, headers, body = answer
    try:
        response = app.response_class(body, status, content_type=CONTENT_TYPE)
        add = response.headers.add
        for name, value in headers:
            add(name, value)
        return response
    except Exception:
        app.logger.exception("%r could not be made for an error; a plain response stands in", app.response_class)
        return Response(body, status, headers, content_type=CONTENT_TYPE)


def handle_http_exception(exc: HTTPException, rules: Rules) -> Any:
    """What Flask's handler for `HTTPException` returns; crashes arrive here too, as `InternalServerError`."""
    code = exc.code
    if exc.response is not None or code is None or (isinstance(code, int) and code < 400):
        return exc  # a response that somebody built, or a redirect
    original = exc.original_exception if isinstance(exc, InternalServerError) else None
    crashed = original is not None
    exchange = _exchange()
    app = exchange.app
    if not crashed and app.trap_http_exception(exc):
        raise exc  # to the debugger, as Flask's TRAP_ settings say
    if not rules.settings.applies_to(exchange.path):
        handler = _broader_handler(exc, app)
        return exc if handler is None else app.ensure_sync(handler)(exc)
    if isinstance(original, APIError) and not app.trap_http_exception(original):
        exc = original  # from an after_request function or an error handler; what it says holds there too
    if isinstance(exc, APIError):
        handler = _status_handler(exc, app)
        if handler is not None:
            return app.ensure_sync(handler)(exc)
    state = CURRENT.get()
    if crashed and state is not None:
        state.pending = None  # the event tells of this crash
    return _respond(app, handle(exc, rules, exchange))


def handle_exception(exc: Exception, rules: Rules) -> Any:
    """What Flask's handler for marshmallow's, mapped and recursion errors returns; what is a crash goes on as one."""
    exchange = _exchange()
    if (
        isinstance(exc, UnknownErrorCode)
        or not rules.settings.applies_to(exchange.path)
        or (isinstance(exc, RecursionError) and not is_deep_json(exc) and not rules.is_mapped(exc))
    ):
        handler = _broader_handler(exc, exchange.app)
        if handler is None:
            raise exc
        return exchange.app.ensure_sync(handler)(exc)
    return _respond(exchange.app, handle(exc, rules, exchange))


def _broader_handler(exc: Exception, app: Flask) -> ErrorHandler | None:
    """The application's handler for a base class, which Flask would have called if the extension had none."""
    spec = app.error_handler_spec
    for name in (*request.blueprints, None):
        for cls in type(exc).__mro__:
            handler = spec[name][None].get(cls)
            if handler is not None and not hasattr(handler, OURS):
                return handler
    return None


def _status_handler(exc: APIError, app: Flask) -> ErrorHandler | None:
    """The application's handler for the status of an APIError.

    Flask asks the class of an exception for its status, and an APIError's class has none. A handler for 500 is left
    out: Flask promises it nothing but `InternalServerError`.
    """
    code = exc.code
    spec = app.error_handler_spec
    for name in (*request.blueprints, None) if len(spec) > 1 else (None,):
        handlers = spec[name].get(code)
        if handlers and code != 500:
            for cls in default_exceptions.get(code, HTTPException).__mro__:  # type: ignore[arg-type]  # an int
                handler = handlers.get(cls)
                if handler is not None:
                    return handler
    return None


def handle_returned(exc: APIError, rules: Rules, environ: WSGIEnvironment) -> Response:
    """The response of an APIError that a view returned instead of raising it."""
    exchange = _exchange()
    if not rules.settings.applies_to(exchange.path):
        return exc.get_response(environ)
    return _respond(exchange.app, handle(exc, rules, exchange))
