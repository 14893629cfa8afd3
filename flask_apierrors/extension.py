"""The extension: what is registered on it, and what `init_app` does to an app."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flask import Flask, current_app, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from flask_apierrors.catalog import Catalog, ErrorCode
from flask_apierrors.cli import errors_group
from flask_apierrors.codes import DEFAULT_CATALOG
from flask_apierrors.errors import EXTENSION_KEY, APIError, CodeMapping
from flask_apierrors.guard import guard, log_pending
from flask_apierrors.handler import OURS, handle_exception, handle_http_exception, handle_returned
from flask_apierrors.report import Registry, Rules
from flask_apierrors.requestid import CURRENT, request_id_of
from flask_apierrors.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask import Response
    from werkzeug.wrappers import Response as BaseResponse

E = TypeVar("E", bound=Exception)
Mapper = TypeVar("Mapper", bound=Callable[[Any], APIError])


@dataclass(frozen=True)
class AppState(Rules):
    """What an app's `extensions["apierrors"]` holds."""

    #: The extension that `init_app` was called on.
    extension: APIErrors

    def answer_returned(self, error: APIError, environ: WSGIEnvironment) -> BaseResponse:
        """The response of an error that a view returned."""
        return handle_returned(error, self, environ)


class APIErrors:
    """Every error of a Flask app as one envelope, one request id and one log event.

    Args:
        app: an app to initialise at once; else call `init_app`.
        catalog: the codes to start with, in place of the built-in ones.

    Raises:
        TypeError: `catalog` is not a Catalog.
        ConfigurationError: see `init_app`.
    """

    def __init__(self, app: Flask | None = None, *, catalog: Catalog | None = None) -> None:
        if catalog is not None and not isinstance(catalog, Catalog):
            raise TypeError(f"catalog is {catalog!r}; accepted is a flask_apierrors.Catalog")
        self._registry = Registry(DEFAULT_CATALOG if catalog is None else catalog)
        # A mapping made after init_app must still reach the apps; they come and go.
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    @property
    def catalog(self) -> Catalog:
        """All codes: the built-in ones, or those given, and the registered ones."""
        return self._registry.catalog

    def register(self, code: str, status: int, description: str, **options: Any) -> ErrorCode:
        """Add a code to the catalogue; `options` are the further fields of `ErrorCode`.

        Raises:
            ValueError: the code is in the catalogue already, or a part is malformed.
            TypeError: an option that `ErrorCode` does not have.
        """
        entry = ErrorCode(code, status, description, **options)
        self._registry.catalog = self._registry.catalog.add(entry)
        return entry

    @overload
    def map(self, exception_type: type[Exception], code: str) -> None: ...

    @overload
    def map(self, exception_type: type[Exception], code: None = None) -> Callable[[Mapper], Mapper]: ...

    def map(self, exception_type: type[Exception], code: str | None = None) -> Callable[[Mapper], Mapper] | None:
        """Turn a foreign exception and its subclasses into an error.

        With a code, into one of that code; as a decorator, into the `APIError` that the decorated function returns.
        Of several mapped types the most specific wins.

        Raises:
            TypeError: the code is not text; or not an exception class; or `Exception` itself: that would hide every
                crash from the debugger, from `got_request_exception` and from monitoring.
            UnknownErrorCode: the catalogue does not have the code.
            ValueError: the type is mapped already.
        """
        if not isinstance(exception_type, type) or not issubclass(exception_type, Exception):
            raise TypeError(f"{exception_type!r} is not a subclass of Exception")
        if exception_type is Exception:
            raise TypeError("Exception itself cannot be mapped: crashes are internal_error; map the types you expect")
        if exception_type in self._registry.mapped:
            raise ValueError(f"{exception_type!r} is mapped already")
        if code is not None:
            if not isinstance(code, str):
                raise TypeError(f"{code!r} is not an error code; accepted is the text of one, such as 'not_found'")
            self.catalog.find(code)
            self._map(exception_type, code)
            return None

        def decorate(function: Mapper) -> Mapper:
            self._map(exception_type, function)
            return function

        return decorate

    def _map(self, exception_type: type[Exception], target: str | Callable[[Any], APIError]) -> None:
        for app in self._apps:
            _register_handler(app, exception_type, app.extensions[EXTENSION_KEY])
        self._registry.mapped[exception_type] = target

    def init_app(self, app: Flask) -> None:
        """Prepare an app; a second call for the same app does nothing.

        Raises:
            ConfigurationError: a config key that begins with `APIERRORS_` is unknown or has a value that is not
                accepted.
            RuntimeError: the app has another `APIErrors` already.
        """
        present = app.extensions.get(EXTENSION_KEY)
        if present is not None:
            if present.extension is not self:
                raise RuntimeError("this app has another APIErrors already; register and map on that one")
            return
        state = AppState(self._registry, Settings.from_config(app.config, self.catalog), self)
        app.extensions[EXTENSION_KEY] = state
        self._apps.add(app)
        app.wsgi_app = guard(app, state)  # type: ignore[method-assign, assignment]  # Flask's documented place for middleware
        _add_hooks(app, state)
        _replace_log_exception(app)
        for exception_type in (HTTPException, ValidationError, RecursionError, *self._registry.mapped):
            _register_handler(app, exception_type, state)
        app.aborter.mapping = CodeMapping(app.aborter.mapping)
        app.cli.add_command(errors_group)


def _register_handler(app: Flask, exception_type: type[Exception], rules: Rules) -> None:
    if exception_type in app.error_handler_spec[None][None]:
        return  # the application's own handler wins
    if exception_type is not HTTPException and issubclass(exception_type, HTTPException):
        return  # the handler of HTTPException receives these, unless the application has one for their status
    handle = handle_http_exception if exception_type is HTTPException else handle_exception

    def on_exception(exc: Any) -> Any:
        return handle(exc, rules)

    setattr(on_exception, OURS, True)
    app.register_error_handler(exception_type, on_exception)


def _add_hooks(app: Flask, rules: Rules) -> None:
    settings = rules.settings
    header, inbound_key = settings.request_id_header, settings.inbound_key
    # Otherwise a function that runs after ours may put another body in place.
    runs_last = not app.after_request_funcs.get(None) and type(app).process_response is Flask.process_response

    # The guard gives the request its id and the response its header. Where an app is driven without its wsgi_app, as by
    # a test that pushes a context, the hooks do both.
    def before_request() -> None:
        if CURRENT.get() is None:
            request_id_of(request.environ, inbound_key)

    def after_request(response: Response) -> Response:
        state = CURRENT.get()
        if state is None:
            response.headers[header] = request_id_of(request.environ, inbound_key)
            return response
        body = response.response
        # What a view returns as text or data is a list of one bytes object. A response without a list of functions to
        # call on close is not one of today's Werkzeug, and is watched.
        state.body_is_safe = (
            runs_last
            and type(body) is list
            and len(body) == 1
            and type(body[0]) is bytes
            and not getattr(response, "_on_close", True)
        )
        if state.pending is not None:
            log_pending(current_app._get_current_object(), state, request.environ)  # type: ignore[attr-defined]  # proxy
        return response

    app.before_request(before_request)
    app.after_request(after_request)


def _replace_log_exception(app: Flask) -> None:
    """Keep Flask from logging a crash that an event tells of.

    Flask calls `log_exception` before it looks for a handler, so its line waits until it is known who has answered.
    """
    if type(app).log_exception is not Flask.log_exception or "log_exception" in vars(app):
        return  # the application's own one wins

    def log_exception(*args: Any) -> None:
        state = CURRENT.get()
        if state is None:
            Flask.log_exception(current_app._get_current_object(), *args)  # type: ignore[attr-defined]  # a proxy's
        else:
            state.pending = args

    app.log_exception = log_exception  # type: ignore[method-assign, assignment]  # explained above
