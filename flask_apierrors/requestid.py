"""The request id: made or accepted once per request, bound to the log context, taken away afterwards."""

from __future__ import annotations

import re
from contextvars import ContextVar, Token, copy_context
from os import urandom
from time import time_ns
from typing import TYPE_CHECKING, Any

from flask import current_app, has_request_context, request
from structlog.contextvars import bind_contextvars

from flask_apierrors.errors import EXTENSION_KEY

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from flask_apierrors.settings import Settings

_KEY = "flask_apierrors.request"
_accepted = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}").fullmatch

#: The request that this context works for.
CURRENT: ContextVar[RequestState | None] = ContextVar("flask_apierrors_request", default=None)

# structlog keeps a variable of its own for each bound key. Binding once, in a context that is thrown away, hands it
# over; set and reset cost a tenth of bind_contextvars and reset_contextvars, on every request.
_LOGGED_ID: ContextVar[Any] = copy_context().run(bind_contextvars, request_id=None)["request_id"].var

IdTokens = tuple[Token["RequestState | None"], Token[Any]]


class RequestState:
    """What the extension knows of one request."""

    __slots__ = ("body_is_safe", "id", "pending", "tokens")

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        #: Whether the body is known to be bytes in memory, which cannot fail while they are sent.
        self.body_is_safe = False
        #: The arguments of Flask's `log_exception` for a crash that no event has told of yet; the last is its exc_info.
        self.pending: tuple[Any, ...] | None = None
        #: Set where the hooks, not the guard, bound this request.
        self.tokens: IdTokens | None = None

    def bind(self) -> IdTokens:
        """Let get_request_id() and log lines see this request."""
        return CURRENT.set(self), _LOGGED_ID.set(self.id)


def unbind(tokens: IdTokens) -> None:
    """Restore what was bound before."""
    CURRENT.reset(tokens[0])
    _LOGGED_ID.reset(tokens[1])


def new_request_id() -> str:
    """A new id: `req_` and 26 hexadecimal digits.

    16 digits are nanoseconds since the epoch, so that ids sort by time; 10 are random bits from the operating system,
    so that processes, forked ones too, do not meet.
    """
    return f"req_{time_ns():016x}{urandom(5).hex()}"


def open_request(environ: WSGIEnvironment, settings: Settings) -> RequestState:
    """A new state for a request that comes in.

    Its id is the inbound one where that is trusted and well-formed, else a new one. An app mounted inside another one
    takes the id of the outer.
    """
    outer = environ.get(_KEY)
    if outer is not None:
        return RequestState(outer)
    inbound = environ.get(settings.environ_key) if settings.trust_request_id else None
    request_id = inbound if inbound is not None and _accepted(inbound) else new_request_id()
    environ[_KEY] = request_id
    return RequestState(request_id)


def current_request() -> RequestState | None:
    """The state of the current request; None outside one, or on an app without the extension.

    A request context that was pushed by hand, as in a test, gets its id here, on first use.
    """
    state = CURRENT.get()
    if state is None and has_request_context():
        bound = current_app.extensions.get(EXTENSION_KEY)
        if bound is not None:
            state = open_request(request.environ, bound.settings)
    return state


def get_request_id() -> str | None:
    """The id of the current request, or None outside a request."""
    state = current_request()
    return None if state is None else state.id
