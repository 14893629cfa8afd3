"""The requests, the sink for log lines, and the loop that calls a WSGI application.

Standard library only, so that importing it favours no candidate.
"""

import io
import os
from dataclasses import dataclass

#: Where every candidate logs: a text stream over a binary one, like sys.stdout, that leads nowhere.
SINK = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open for the life of the process


@dataclass(frozen=True)
class Kind:
    """A request, and what the answer should be: its status and, for this project's envelope, its code."""

    method: str
    path: str
    status: int
    error: str | None = None
    body: bytes = b""


KINDS = {
    "ok": Kind("GET", "/ok", 200),
    "abort": Kind("GET", "/users/42", 404, "user_not_found"),
    "validation": Kind("POST", "/users", 422, "validation_error", b'{"email": "nope", "name": ""}'),
    "crash": Kind("GET", "/crash", 500, "internal_error"),
    "unrouted": Kind("GET", "/nope", 404, "not_found"),
    "malformed": Kind("POST", "/users", 400, "invalid_json", b'{"email": '),
}


def environ_of(kind):
    """The WSGI environ of a request, as a server would build it, all but `wsgi.input`."""
    environ = {
        "REQUEST_METHOD": kind.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": kind.path,
        "RAW_URI": kind.path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_USER_AGENT": "benchmark/1",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": SINK,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if kind.body:
        environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(kind.body))}
    return environ


def call(app, environ, body, start_response):
    """Send one request and return the body of the response."""
    environ["wsgi.input"] = io.BytesIO(body)
    chunks = app(environ, start_response)
    try:
        return b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()


def runner(app, kind):
    """Return run(n), which sends the same request n times and returns the last answer: status, headers, body."""
    environ = environ_of(kind)
    start = None

    def start_response(status, headers, exc_info=None):
        nonlocal start
        start = status, headers

    def run(n):
        for _ in range(n):
            body = call(app, environ.copy(), kind.body, start_response)
        status, headers = start
        return int(status[:3]), {name.lower(): value for name, value in headers}, body

    return run
