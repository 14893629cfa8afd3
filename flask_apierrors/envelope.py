"""Rendering: a report becomes the bytes of its envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_apierrors.jsonbytes import dumps

if TYPE_CHECKING:
    from flask_apierrors.report import Report

#: The last rung of the ladder: what is sent when nothing else can be rendered.
STATIC_ENVELOPE = (
    b'{"error":"internal_error","error_description":"An internal error occurred. Please try again later."}\n'
)


def render(report: Report, request_id: str | None = None, debug: dict[str, Any] | None = None) -> bytes:
    """The envelope of a report; its members in the documented order, absent when empty.

    Args:
        report: the error.
        request_id: given where the envelope shall have it.
        debug: the member `debug`, JSON-ready.
    """
    members: dict[str, Any] = {"error": report.entry.code, "error_description": report.description}
    if report.details:
        members["details"] = dict(report.details)
    if report.retry_after is not None:
        members["retry_after"] = report.retry_after
    if request_id is not None:
        members["request_id"] = request_id
    if debug is not None:
        members["debug"] = debug
    return dumps(members) + b"\n"
