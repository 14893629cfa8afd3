"""Debug mode: who may see the inside of an error, and what is shown."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from itsdangerous import BadSignature, URLSafeSerializer

from flask_apierrors.redaction import redact, redact_text
from flask_apierrors.text import CUT, plain, text
from flask_apierrors.tracebacks import format_traceback

if TYPE_CHECKING:
    from flask import Request

    from flask_apierrors.report import Report
    from flask_apierrors.settings import Settings

HEADER = "HTTP_X_DEBUG"

_MAX_BODY = 64 * 1024
_SHOWN_TEXT = 2000


def _serializer(secret: str | bytes) -> URLSafeSerializer:
    return URLSafeSerializer(secret, salt="flask_apierrors.debug")


def make_debug_token(secret: str | bytes, seconds: int) -> str:
    """A token for the `X-Debug` header, signed with `APIERRORS_DEBUG_SECRET`, that is valid for `seconds`."""
    return str(_serializer(secret).dumps({"exp": int(time.time()) + seconds}))


def is_valid_debug_token(secret: str | bytes, token: str) -> bool:
    """Whether a token was signed with this secret and has not expired."""
    try:
        payload = _serializer(secret).loads(token)
    except BadSignature:
        return False
    expires = payload.get("exp") if isinstance(payload, dict) else None
    return isinstance(expires, int) and time.time() < expires


def is_debug_allowed(header: str, settings: Settings, app_debug: bool) -> bool:
    """Whether the value of an `X-Debug` header opens debug mode."""
    if header.lower() == "true":
        return app_debug if settings.debug is None else settings.debug
    return settings.debug_secret is not None and is_valid_debug_token(settings.debug_secret, header)


def debug_member(report: Report, request: Request) -> dict[str, Any]:
    """The envelope's member `debug`: stack trace, body of the request and time, without secrets."""
    return {
        "stack_trace": redact_text(format_traceback(report.exception)),
        "request_body": _body(request),
        "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _body(request: Request) -> Any:
    length = request.content_length
    if length is None:  # none, or one of unknown length, which is not read here
        return None
    if length > _MAX_BODY:
        return f"<{length} bytes>"
    try:
        if request.is_json:
            body: Any = request.get_json(silent=True)
            if body is None:
                body = request.get_data(as_text=True)
        elif request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
            body = {key: values if len(values) > 1 else values[0] for key, values in request.form.lists()}
        else:
            body = request.get_data(as_text=True)
    except Exception:  # too large, or the view has taken the stream away
        return "<unreadable>"
    return _shortened(redact(plain(body)))


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _SHOWN_TEXT:
        return text(value, _SHOWN_TEXT)
    if isinstance(value, list):
        return [_shortened(item) for item in value[:100]] + ([CUT] if len(value) > 100 else [])
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return value
