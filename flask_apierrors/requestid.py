"""The request id: made or accepted once per request, bound to the log context, taken away afterwards."""

from __future__ import annotations

import re
from contextvars import ContextVar, Token, copy_context
from os import urandom
from struct import Struct
from time import time_ns
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request
from structlog.contextvars import bind_contextvars

from flask_apierrors.errors import bound_state

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


_KEY = "flask_apierrors.request"
_pack = Struct(">Q5s").pack
_accepted = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}").fullmatch

#: The request that this context works for.
CURRENT: ContextVar[RequestState | None] = ContextVar("flask_apierrors_request", default=None)

#: The id for structlog. It keeps a variable of its own for each bound key; binding once, in a context that is thrown
#: away, hands the variable over. To set and reset it costs a tenth of bind_contextvars and reset_contextvars.
LOGGED_ID: ContextVar[Any] = copy_context().run(bind_contextvars, request_id=None)["request_id"].var

IdTokens = tuple[Token["RequestState | None"], Token[Any]]


class RequestState:
    """What the extension knows of one request."""

    # Slots, all of them filled: to read a default from the class costs six times as much.
    __slots__ = ("body_is_safe", "crash", "id", "pending")

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        #: Whether the body is known to be bytes in memory, which cannot fail while they are sent.
        self.body_is_safe = False
        #: The arguments of Flask's `log_exception` for a crash that no event has told of yet; the last is its exc_info.
        self.pending: tuple[Any, ...] | None = None
        #: A crash that an event has told of.
        self.crash: BaseException | None = None

    def bind(self) -> IdTokens:
        """Let get_request_id() and log lines see this request."""
        return CURRENT.set(self), LOGGED_ID.set(self.id)


def unbind(tokens: IdTokens) -> None:
    """Restore what was bound before."""
    CURRENT.reset(tokens[0])
    LOGGED_ID.reset(tokens[1])


def new_request_id() -> str:
    """A new id: `req_` and 26 hexadecimal digits.

    16 digits are nanoseconds since the epoch, so that ids sort by time; 10 are random bits from the operating system,
    so that processes, forked ones too, do not meet.
    """
    return "req_" + _pack(time_ns(), urandom(5)).hex()


def request_id_of(environ: WSGIEnvironment, inbound_key: str) -> str:
    """The id of the request behind an environ, made on first use.

    It is the inbound one where that is well-formed, else a new one. An app mounted inside another one takes the id of
    the outer.
    """
    known: str | None = environ.get(_KEY)
    if known is not None:
        return known
    inbound = environ.get(inbound_key)
    environ[_KEY] = request_id = new_request_id() if inbound is None or not _accepted(inbound) else inbound
    return request_id


def current_request() -> RequestState | None:
    """The state of the current request; None outside one, or on an app without the extension.

    A request context that was pushed by hand, as in a test, gets its id here, on first use.
    """
    state = CURRENT.get()
    if state is None and has_request_context():
        bound = bound_state()
        if bound is not None:
            state = RequestState(request_id_of(request.environ, bound.settings.inbound_key))
    return state


def get_request_id() -> str | None:
    """The id of the current request, or None outside a request."""
    state = CURRENT.get() or current_request()
    return None if state is None else state.id
