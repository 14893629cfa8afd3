"""Handling: an exception is converted, rendered, logged and answered. Whatever fails here costs one rung, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import current_app
from flask import request as current_request
from werkzeug.exceptions import HTTPException, InternalServerError, default_exceptions
from werkzeug.wrappers import Response

from flask_apierrors.catalog import UnknownErrorCode
from flask_apierrors.debug import HEADER, debug_member, is_debug_allowed
from flask_apierrors.envelope import STATIC_ENVELOPE, render
from flask_apierrors.errors import APIError
from flask_apierrors.events import emit, fields_of
from flask_apierrors.headers import Pairs, headers_of
from flask_apierrors.report import Report, convert, crash_report, is_deep_json
from flask_apierrors.requestid import CURRENT, get_request_id
from flask_apierrors.signals import error_handled
from flask_apierrors.text import fault_name

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask import Flask, Request
    from flask.typing import ErrorHandlerCallable as ErrorHandler

    from flask_apierrors.report import Rules
    from flask_apierrors.settings import Settings

#: The attribute by which a handler is known to be the extension's.
OURS = "flask_apierrors_handler"

CONTENT_TYPE = "application/json"


#: The response to an error: its status, headers and body.
Answer = tuple[int, Pairs, bytes]


def handle(exc: BaseException, rules: Rules, app: Flask, request: Request, request_id: str | None) -> Answer:
    """The way of every error. The request is shallow, as Werkzeug calls it, where Flask's context has gone."""
    try:
        report = convert(exc, rules)
    except Exception as fault:
        report = crash_report(exc, rules, fault_name("convert", fault))
    faults = list(report.faults)
    settings = rules.settings
    debug = None if request.environ.get(HEADER) is None else _debug(report, settings, app, request, faults)
    try:
        body = render(report, request_id if settings.request_id_in_body else None, debug)
    except Exception as fault:
        faults.append(fault_name("render", fault))
        body = STATIC_ENVELOPE
    headers = headers_of(report, request.environ, request.url_rule, settings.realm, faults)
    _log(report, app, request, request_id, faults)
    if not report.unexpected:
        # Its frames hold the request, which holds a routing error: a cycle, and the collector's work on every error.
        exc.__traceback__ = None
        if exc.__suppress_context__:  # the frames of what it was raised in place of do so too, and nobody is shown them
            exc.__context__ = None
    return report.status, headers, body


def _debug(
    report: Report, settings: Settings, app: Flask, request: Request, faults: list[str]
) -> dict[str, Any] | None:
    """The member `debug` of the envelope where the request's header asks for it and may; its body must be readable."""
    try:
        if not request.shallow and is_debug_allowed(request.environ[HEADER], settings, app.debug):
            return debug_member(report, request)
    except Exception as fault:
        faults.append(fault_name("debug", fault))
    return None


def _log(report: Report, app: Flask, request: Request, request_id: str | None, faults: list[str]) -> None:
    """Write the event, then tell the signal's receivers; neither changes the response."""
    rule = request.url_rule
    route = None if rule is None else rule.rule
    try:
        emit(report.level, fields_of(report, request_id, request.method, request.path, route, faults))
    except Exception:  # not even standard output takes a line
        app.logger.exception("flask_apierrors could not log the error of request %s", request_id)
    if error_handled.receivers:
        try:
            error_handled.send(app, _async_wrapper=app.ensure_sync, report=report, request_id=request_id)
        except Exception:
            app.logger.exception("A receiver of flask_apierrors.error_handled failed in request %s", request_id)


def _current() -> tuple[Flask, Request]:
    """The app and the request of Flask's context, each asked of its proxy once."""
    return current_app._get_current_object(), current_request._get_current_object()  # type: ignore[attr-defined]


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
    app, request = _current()
    if not crashed and app.trap_http_exception(exc):
        raise exc  # to the debugger, as Flask's TRAP_ settings say
    applies = rules.settings.applies_to(request.path)
    if applies and isinstance(original, APIError) and not app.trap_http_exception(original):
        exc = original  # from an after_request function or an error handler; what it says holds there too
    if isinstance(exc, APIError):
        handler = _status_handler(exc, app, request)
        if handler is not None:
            return app.ensure_sync(handler)(exc)
    if not applies:
        handler = _broader_handler(exc, app, request)
        return exc if handler is None else app.ensure_sync(handler)(exc)
    state = CURRENT.get()
    if crashed and state is not None:
        state.pending, state.crash = None, original  # the event tells of this crash
    return _respond(app, handle(exc, rules, app, request, get_request_id()))


def handle_exception(exc: Exception, rules: Rules) -> Any:
    """What Flask's handler for marshmallow's, mapped and recursion errors returns; what is a crash goes on as one."""
    app, request = _current()
    if (
        isinstance(exc, UnknownErrorCode)
        or not rules.settings.applies_to(request.path)
        or (isinstance(exc, RecursionError) and not is_deep_json(exc) and not rules.is_mapped(exc))
    ):
        handler = _broader_handler(exc, app, request)
        if handler is None:
            raise exc
        return app.ensure_sync(handler)(exc)
    return _respond(app, handle(exc, rules, app, request, get_request_id()))


def _broader_handler(exc: Exception, app: Flask, request: Request) -> ErrorHandler | None:
    """The application's handler for a base class, which Flask would have called if the extension had none."""
    spec = app.error_handler_spec
    for name in (*request.blueprints, None):
        for cls in type(exc).__mro__:
            handler = spec[name][None].get(cls)
            if handler is not None and not hasattr(handler, OURS):
                return handler
    return None


def _status_handler(exc: APIError, app: Flask, request: Request) -> ErrorHandler | None:
    """The application's handler for the status of an APIError.

    Flask asks the class of an exception for its status, and an APIError's class has none. A handler for 500 is left
    out: Flask promises it nothing but `InternalServerError`.
    """
    default = default_exceptions.get(exc.code)  # type: ignore[arg-type]  # None finds none
    if default is not None and exc.code != 500:
        spec = app.error_handler_spec
        # Where no blueprint has a handler, there is no need to ask for the request's, which costs more than the rest.
        for name in (*request.blueprints, None) if len(spec) > 1 else (None,):
            handler = spec[name][exc.code].get(default)
            if handler is not None:
                return handler
    return None


def handle_returned(exc: APIError, rules: Rules, environ: WSGIEnvironment) -> Response:
    """The response of an APIError that a view returned instead of raising it."""
    app, request = _current()
    if not rules.settings.applies_to(request.path):
        return exc.get_response(environ)
    return _respond(app, handle(exc, rules, app, request, get_request_id()))
