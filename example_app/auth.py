"""Bearer tokens (RFC 6750): signed JWTs that name a subject, its scopes and an end."""

import functools
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import jwt
from flask import current_app, request

from flask_apierrors import abort

SCOPES = ("users:read", "users:write", "policies:evaluate")
ALGORITHM = "HS256"

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Token:
    """What a valid token says."""

    subject: str
    scopes: frozenset[str]


def issue_token(secret: str, subject: str, scopes: Iterable[str], lifetime: int) -> str:
    """Return a signed token that ends `lifetime` seconds from now; a negative number makes an expired one."""
    now = int(time.time())
    claims = {
        "sub": subject,
        "scope": " ".join(scopes),
        "iat": min(now, now + lifetime),
        "exp": now + lifetime,
        "jti": uuid.uuid4().hex,
    }
    return jwt.encode(claims, secret, ALGORITHM)


def authenticate() -> Token:
    """Return the token of the current request, or answer 401."""
    # Not request.authorization, which lets a ValueError through for some malformed values ("Basic \xff").
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        abort("unauthorized", reason="no bearer token")
    try:
        claims = jwt.decode(
            credentials.strip(),
            current_app.config["SECRET_KEY"],
            # Never taken from the token itself, which may say "none".
            algorithms=[ALGORITHM],
            options={"require": ["sub", "scope", "exp"]},
        )
    except jwt.ExpiredSignatureError:
        abort("token_expired")
    except (jwt.InvalidTokenError, RecursionError) as error:
        # RecursionError: a header of thousands of nested lists, which PyJWT 2.8 lets through.
        abort("unauthorized", reason=type(error).__name__)
    return Token(subject=claims["sub"], scopes=frozenset(str(claims["scope"]).split()))


def require_scope(scope: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view run only for a valid token with `scope`.

    The scope goes into the error's details, from where it gets into the challenge of the response.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            token = authenticate()
            if scope not in token.scopes:
                abort("insufficient_scope", details={"scope": scope}, subject=token.subject)
            return view(*args, **kwargs)

        return guarded

    return decorate
