"""Raising: `abort` and `APIError`, an HTTP exception that carries an error code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from flask import current_app
from werkzeug.datastructures import iter_multi_items
from werkzeug.exceptions import HTTPException

from flask_apierrors.catalog import Catalog, UnknownErrorCode
from flask_apierrors.codes import DEFAULT_CATALOG

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Flask
    from werkzeug.sansio.response import Response

    from flask_apierrors.extension import AppState

#: The key of an app's `extensions` under which `init_app` leaves its frozen state.
EXTENSION_KEY = "apierrors"

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
RetryAfter = int | float | timedelta | datetime


def bound_state() -> AppState | None:
    """What `init_app` left on the current app, if there is one."""
    try:
        # Asking the proxy for the app once costs a fraction of each attribute read through it.
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy's
    except RuntimeError:
        return None
    return app.extensions.get(EXTENSION_KEY)


def active_catalog() -> Catalog:
    """The catalogue of the current app's extension, or the built-in one."""
    bound = bound_state()
    return DEFAULT_CATALOG if bound is None else bound.registry.catalog


class APIError(HTTPException):
    """An error with a code of the catalogue; raise it, return it from a view, or subclass it.

    A subclass may set `error_code` (or `code`, an HTTP status) and `description` as class attributes.

    Args:
        error: a code of the catalogue or an HTTP status; may be left out where the class sets one.
        description: what `error_description` says instead of the catalogue's text.
        details: field errors: a mapping of paths to texts, nested as one likes.
        retry_after: when to try again: seconds, a timedelta, or a datetime (naive means UTC).
        headers: headers of the response, repeated ones too.
        cause: the exception behind this one; it becomes `__cause__`, and the log names its type.
        context: what only the log may know.

    Raises:
        UnknownErrorCode: the catalogue does not have the code.
    """

    # A subclass that never calls __init__ still has every attribute.
    #: The code of the catalogue.
    error_code: str = ""
    #: Field errors as they were given.
    details: Any = None
    #: As it was given.
    retry_after: RetryAfter | None = None
    #: As they were given.
    headers: Headers = ()
    #: What goes to the log only.
    context: Mapping[str, Any] = MappingProxyType({})
    #: A response that somebody built; it is sent as it is.
    response: Response | None = None

    def __init__(
        self,
        /,
        error: str | int | None = None,
        description: str | None = None,
        *,
        details: Any = None,
        retry_after: RetryAfter | None = None,
        headers: Headers | None = None,
        cause: BaseException | None = None,
        **context: Any,
    ) -> None:
        super().__init__(description)
        if error is None:
            error = self.error_code or self.code
            if error is None:
                raise TypeError(f"{type(self).__name__} needs an error code: pass one, or set error_code on the class")
        # As Exception does with all positional arguments: copy and pickle call the class with them.
        self.args = (error,)
        entry = active_catalog().find(error)
        self.error_code = entry.code
        # The class's own status stands where the code came from the class too.
        if type(self).code is None or error is not type(self).error_code:
            self.code = entry.status
        if self.description is None:
            self.description = entry.description
        if details is not None:
            self.details = details
        if retry_after is not None:
            self.retry_after = retry_after
        if headers is not None:
            self.headers = headers
        if context:
            self.context = context
        if cause is not None:
            self.__cause__ = cause

    def __str__(self) -> str:
        return f"{self.error_code}: {self.description}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.code} {self.error_code!r}>"

    def get_headers(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, Any] | None = None
    ) -> list[tuple[str, str]]:
        """The headers of Werkzeug's HTML page for this error: where no envelope is wanted they are kept too."""
        pairs = iter_multi_items(self.headers) if isinstance(self.headers, Mapping) else self.headers
        return [*super().get_headers(environ, scope), *pairs]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application does: so Flask turns an error that a view returned into a response."""
        bound = bound_state()
        if bound is None or self.response is not None:
            return self.get_response(environ)(environ, start_response)
        response = bound.answer_returned(self, environ)
        return response(environ, start_response)


def abort(
    error: str | int,
    description: str | None = None,
    *,
    details: Any = None,
    retry_after: RetryAfter | None = None,
    headers: Headers | None = None,
    cause: BaseException | None = None,
    **context: Any,
) -> NoReturn:
    """Raise an `APIError`; see there for the arguments.

    Raises:
        APIError: always, unless the code is unknown.
        UnknownErrorCode: the catalogue does not have the code; the message names its neighbours.
    """
    exc = APIError(error, description, details=details, retry_after=retry_after, headers=headers, cause=cause)
    if context:  # passed on as keywords it would cost as much as the rest
        exc.context = context
    raise exc


class CodeMapping(dict[Any, Any]):
    """An aborter's mapping that knows the catalogue's codes too: so `flask.abort("user_not_found")` works.

    Whatever the app's own aborter maps already keeps its meaning.
    """

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) or super().__contains__(key)

    def __missing__(self, key: str) -> Any:
        catalog = active_catalog()
        if key not in catalog:
            raise UnknownErrorCode(key, catalog)

        def make(*args: Any, **kwargs: Any) -> APIError:
            return APIError(key, *args, **kwargs)

        return make
