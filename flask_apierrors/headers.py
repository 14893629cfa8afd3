"""Answering: the headers of an error's response."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.routing import Rule

    from flask_apierrors.report import Report

Pairs = list[tuple[str, str]]

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
# What RFC 9110 section 5.5 allows and every WSGI server can encode.
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
# The characters that RFC 6750 section 3 allows in the values of a challenge.
_NOT_QUOTABLE = re.compile(r"[^\x20\x21\x23-\x5B\x5D-\x7E]")

# The body is replaced, and PEP 3333 leaves the connection to the server.
_OF_THE_BODY = {"content-type", "content-length", "content-encoding", "transfer-encoding", "etag", "last-modified"}
_OF_THE_CONNECTION = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"}
_NOT_KEPT = _OF_THE_BODY | _OF_THE_CONNECTION


def headers_of(report: Report, environ: WSGIEnvironment, rule: Rule | None, realm: str, faults: list[str]) -> Pairs:
    """The headers of an error's response; faults of those that the exception brought are added to `faults`.

    All of the exception's own are kept, repeated ones too. Where it has none of a kind there is added: Cache-Control
    (RFC 9110 section 15.1 lets caches keep a 404), Retry-After (RFC 9110 section 10.2.3), WWW-Authenticate (RFC 9110
    section 15.5.2) and Allow (RFC 9110 section 15.5.6).
    """
    pairs: Pairs = []
    names: set[str] = set()
    for name, value in report.headers:
        lower = name.lower()
        if lower in _NOT_KEPT:
            continue
        if lower == "retry-after":
            if report.retry_after is None:
                faults.append("headers: Retry-After is neither whole seconds nor a date")
            continue
        if not _NAME(name) or not _VALUE(value):
            faults.append(f"headers: {name[:100]!r} is not a valid header, or its value is not")
            continue
        pairs.append((name, value))
        names.add(lower)
    if report.retry_after is not None:
        pairs.append(("Retry-After", str(report.retry_after)))
    if "cache-control" not in names:
        pairs.append(("Cache-Control", "no-store"))
    status = report.status
    if (status == 401 or report.entry.code == "insufficient_scope") and "www-authenticate" not in names:
        pairs.append(("WWW-Authenticate", _challenge(report, "HTTP_AUTHORIZATION" in environ, realm)))
    if status == 405 and "allow" not in names:
        methods = rule.methods if rule is not None else None
        pairs.append(("Allow", ", ".join(sorted(methods or ()))))  # empty: RFC 9110 section 10.2.1
    return pairs


def _challenge(report: Report, credentials_sent: bool, realm: str) -> str:
    """A Bearer challenge (RFC 6750 section 3): no `error` where the request had no credentials."""
    parameters = [("realm", realm)]
    if report.entry.code == "insufficient_scope":
        parameters.append(("error", "insufficient_scope"))
        parameters += [("scope", value) for path, value in report.details if path == "scope"]
    elif credentials_sent:
        parameters.append(("error", "invalid_token"))
    return "Bearer " + ", ".join(f'{name}="{_NOT_QUOTABLE.sub("?", value)}"' for name, value in parameters)
