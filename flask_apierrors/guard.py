"""The guard around `wsgi_app`: gives the request its id, and answers for what escapes Flask."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask import Flask, got_request_exception
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Request

from flask_apierrors.handler import CONTENT_TYPE, Answer, handle
from flask_apierrors.requestid import CURRENT, LOGGED_ID, IdTokens, RequestState, request_id_of, unbind

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Request as FlaskRequest

    from flask_apierrors.headers import Pairs
    from flask_apierrors.report import Rules


# Werkzeug's server writes its access line before it closes the body: till then the id stays bound.
_DEVELOPMENT_SERVER = "Werkzeug/"


def guard(app: Flask, rules: Rules) -> WSGIApplication:
    """The app's `wsgi_app` with the guard around it.

    What escapes Flask are exceptions of teardown functions, of handlers for a crash, and of body iterators. The guard
    logs them and, where nothing was sent yet, answers with the envelope. Where Flask propagates exceptions (debug,
    testing, PROPAGATE_EXCEPTIONS), so does the guard.
    """
    app_ref = weakref.ref(app)  # what hangs on an app must not keep it alive
    # A middleware inside the guard may start the response late, or put another body in place.
    is_flasks_own = getattr(app.wsgi_app, "__func__", None) is Flask.wsgi_app
    call = _unbound(app)
    settings = rules.settings
    header = settings.request_id_header
    inbound_key = settings.inbound_key

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        state = GuardedRequest(request_id_of(environ, inbound_key), start_response, header)
        current, logged = CURRENT.set(state), LOGGED_ID.set(state.id)
        try:
            try:
                body: Any = call(app_ref(), environ, state)
            except Exception as exc:
                body = _Recovery(_alive(app_ref), rules, environ, state).answer(exc)
            if state.pending is not None:
                log_pending(_alive(app_ref), state, environ)
            if state.crash is not None:
                _break_cycle(state.crash)
                state.crash = None
            if is_flasks_own and state.body_is_safe and environ.get("SERVER_SOFTWARE", "")[:9] != _DEVELOPMENT_SERVER:
                state.send()
                return body  # type: ignore[no-any-return]  # what the application returned
            if _is_file(body, environ):
                state.send()
                return body  # type: ignore[no-any-return]  # the server may send such a file by itself
            return _Body(body, _Recovery(_alive(app_ref), rules, environ, state))
        finally:
            CURRENT.reset(current)
            LOGGED_ID.reset(logged)

    return guarded


def _unbound(app: Flask) -> Callable[..., Iterable[bytes]]:
    """`app.wsgi_app` as a function that is given the app too, and so need not hold it."""
    wsgi_app: Any = app.wsgi_app
    if getattr(wsgi_app, "__self__", None) is app:
        return wsgi_app.__func__  # type: ignore[no-any-return]  # a method's
    return lambda _, environ, start_response: wsgi_app(environ, start_response)  # somebody's middleware


def _alive(app_ref: weakref.ref[Flask]) -> Flask:
    app = app_ref()
    assert app is not None  # noqa: S101  # it serves the request that asks
    return app


def _break_cycle(crash: BaseException) -> None:
    """Spare the collector its work on every crash: Flask's `wsgi_app` has ended with the exception in a variable.

    The exception's traceback holds that variable's frame. It stays as it is, for whoever has kept the exception.
    """
    traceback = crash.__traceback__
    if traceback is not None and traceback.tb_frame.f_code is Flask.wsgi_app.__code__:
        traceback.tb_frame.clear()


def _is_file(body: object, environ: WSGIEnvironment) -> bool:
    """Whether a body is a file for the server's own way to send one; the wrapper may be a class or a function."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


def log_pending(app: Flask, state: RequestState, environ: WSGIEnvironment) -> None:
    """Let Flask write its own line for a crash that the application's handler answered, so no event tells of it."""
    pending, state.pending = state.pending or (None,), None
    # The same as Flask.log_exception writes, which needs a request context; that may have gone.
    request = Request(environ)
    app.logger.error(f"Exception on {request.path} [{request.method}]", exc_info=pending[-1])


class GuardedRequest(RequestState):
    """A request's state that is its `start_response` too, and holds the start back until the request has ended well.

    PEP 3333 lets an application replace a started response by passing `exc_info`, but servers and test clients then
    treat the request as failed. Not having started is simpler.
    """

    __slots__ = ("_given", "_header", "_server", "_write", "sent")

    def __init__(self, request_id: str, server: StartResponse, header: str) -> None:
        # What the base class would do, without the price of asking it on every request.
        self.id, self.body_is_safe, self.pending, self.crash = request_id, False, None, None
        #: Whether the server has been told.
        self.sent = False
        self._given: tuple[str, Pairs] = ("500 INTERNAL SERVER ERROR", [])
        self._write: Callable[[bytes], object]
        self._server = server
        self._header = header

    def __call__(self, status: str, headers: Pairs, exc_info: Any = None) -> Callable[[bytes], object]:
        if self.sent:
            return self._server(status, headers, exc_info)
        self._given = (status, headers)
        return self._write_at_once

    def _write_at_once(self, data: bytes) -> None:
        """The imperative way to send a body, which PEP 3333 keeps for old applications."""
        if not self.sent:
            self.send()
        self._write(data)

    def send(self) -> None:
        """Tell the server, with the request id among the headers; any other value of that header gives way."""
        self.sent = True
        status, headers = self._given
        header = self._header
        lower = header.lower()
        for name, _ in headers:
            if name.lower() == lower:
                headers = [pair for pair in headers if pair[0].lower() != lower]
                break
        headers.append((header, self.id))
        self._write = self._server(status, headers)


class _Body:
    """A body that is produced while it is sent: the id is bound meanwhile, and its failure is an error like others."""

    __slots__ = ("_close", "_iterator", "_recovery", "_tokens")

    def __init__(self, body: Iterable[bytes], recovery: _Recovery) -> None:
        self._iterator = iter(body)
        self._close = getattr(body, "close", None)
        self._recovery = recovery
        self._tokens: IdTokens | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        recovery = self._recovery
        state = recovery.state
        tokens = state.bind()
        try:
            try:
                chunk = next(self._iterator)
            except StopIteration:
                recovery.send_start()
                raise
            except Exception as exc:
                if state.sent:
                    recovery.log(exc)
                    raise  # the server breaks the connection off: the client must not take the part for the whole
                self._iterator = iter(recovery.answer(exc))
                chunk = next(self._iterator, b"")
            recovery.send_start()
            return chunk
        finally:
            if self._tokens is None and recovery.environ.get("SERVER_SOFTWARE", "")[:9] == _DEVELOPMENT_SERVER:
                self._tokens = tokens
            else:
                unbind(tokens)

    def close(self) -> None:
        """Close the application's body."""
        kept, self._tokens = self._tokens, None
        tokens = self._recovery.state.bind()
        try:
            if self._close is not None:
                self._close()
        finally:
            unbind(tokens)
            if kept is not None:
                with suppress(ValueError):  # a server may close in another context; the binding has ended with that
                    unbind(kept)


class _Recovery:
    """What is done for an exception that has escaped Flask."""

    __slots__ = ("app", "environ", "rules", "state")

    def __init__(self, app: Flask, rules: Rules, environ: WSGIEnvironment, state: GuardedRequest) -> None:
        self.app = app
        self.rules = rules
        self.environ = environ
        self.state = state

    def send_start(self) -> None:
        """Let the response start, unless it has."""
        if not self.state.sent:
            self.state.send()

    def answer(self, exc: Exception) -> list[bytes]:
        """Log the exception and put its envelope in the response's place.

        Raises:
            Exception: the same one, where it is Flask's to propagate, or the response has begun.
        """
        state = self.state
        answer = self.log(exc)
        if state.pending is not None:
            log_pending(self.app, state, self.environ)
        if state.sent or answer is None:
            raise exc
        status, headers, body = answer
        reason = HTTP_STATUS_CODES.get(status, "Error").upper()
        state(f"{status} {reason}", [*headers, ("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))])
        state.body_is_safe = True
        return [] if self.environ["REQUEST_METHOD"] == "HEAD" else [body]

    def log(self, exc: Exception) -> Answer | None:
        """Send `got_request_exception` and write the event; None where both are not for the extension to do."""
        app = self.app
        propagate = app.config["PROPAGATE_EXCEPTIONS"]
        if propagate or (propagate is None and (app.testing or app.debug)):
            return None
        request = _routed(app, self.environ)
        if not self.rules.settings.applies_to(request.path):
            return None
        pending = self.state.pending
        # The event of an expected error has no traceback, so it cannot tell of a crash before.
        expected = issubclass(type(exc), (HTTPException, ValidationError))
        if pending is not None and not expected and _is_shown_with(pending[-1][1], exc):
            self.state.pending = None
        try:
            got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=exc)
        except Exception:
            app.logger.exception("A receiver of flask.got_request_exception failed in request %s", self.state.id)
        return handle(exc, self.rules, app, request, self.state.id)


def _routed(app: Flask, environ: WSGIEnvironment) -> FlaskRequest:
    """The request, without its body, with its URL rule, where its context has gone."""
    request = app.request_class(environ, populate_request=False, shallow=True)
    with suppress(HTTPException):
        adapter = app.create_url_adapter(request)
        request.url_rule = None if adapter is None else adapter.match(return_rule=True)[0]
    return request


def _is_shown_with(exc: BaseException | None, shown: BaseException) -> bool:
    """Whether the traceback of `shown` tells of `exc` too."""
    seen: set[int] = set()
    current: BaseException | None = shown
    while current is not None and id(current) not in seen:
        if current is exc:
            return True
        seen.add(id(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return False
