"""The guard as a server sees it: when the response starts, and what happens to bodies."""

import contextvars
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, send_file
from loglines import Lines
from werkzeug.test import create_environ, run_wsgi_app

from flask_apierrors import abort, get_request_id

MakeApp = Callable[..., Flask]


def test_the_imperative_write_of_an_old_application_sends_at_once(make_app: MakeApp) -> None:
    def prepare(app: Flask) -> None:
        def old(environ: Any, start_response: Any) -> Any:
            write = start_response("200 OK", [("Content-Type", "text/plain")])
            write(b"one ")
            write(b"two ")
            with pytest.raises(AssertionError, match="started already"):
                start_response("500 LATE", [], (AssertionError, AssertionError(), None))
            return [b"three"]

        app.wsgi_app = old  # type: ignore[method-assign]

    started: list[tuple[str, dict[str, str]]] = []
    sent: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        if started:
            raise AssertionError("started already")
        started.append((status, dict(headers)))
        return sent.append

    app = make_app(prepare=prepare)
    body = app.wsgi_app(create_environ("/"), start_response)
    assert [*sent, *body] == [b"one ", b"two ", b"three"]
    ((status, headers),) = started
    assert status == "200 OK"
    assert headers["X-Request-ID"].startswith("req_")


def test_a_server_may_close_the_body_in_another_context(make_app: MakeApp) -> None:
    seen: list[str | None] = []

    def prepare(app: Flask) -> None:
        @app.after_request
        def after(response: Any) -> Any:
            response.call_on_close(lambda: seen.append(get_request_id()))
            return response

    app = make_app(lambda: "ok", prepare=prepare)
    environ = {**create_environ("/"), "SERVER_SOFTWARE": "Werkzeug/3.0"}
    body: Any = contextvars.copy_context().run(app.wsgi_app, environ, lambda *args: lambda data: None)
    assert contextvars.copy_context().run(lambda: b"".join(body)) == b"ok"
    contextvars.copy_context().run(body.close)
    assert get_request_id() is None
    assert len(seen) == 1
    assert seen[0] is not None


def test_a_body_without_close_is_a_body(make_app: MakeApp) -> None:
    def prepare(app: Flask) -> None:
        def plain(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return iter([b"a", b"b"])

        app.wsgi_app = plain  # type: ignore[method-assign]

    body, status, headers = run_wsgi_app(make_app(prepare=prepare), create_environ("/"), buffered=True)
    assert (b"".join(body), status) == (b"ab", "200 OK")
    assert headers["X-Request-ID"].startswith("req_")


def test_the_servers_own_file_wrapper_reaches_the_server(make_app: MakeApp, tmp_path: Any) -> None:
    class FileWrapper:
        def __init__(self, file: Any, size: int) -> None:
            self.file = file

        def __iter__(self) -> Iterator[bytes]:
            yield self.file.read()

    (tmp_path / "file").write_bytes(b"content")
    app = make_app(lambda: send_file(tmp_path / "file", mimetype="text/plain"))
    environ = {**create_environ("/"), "wsgi.file_wrapper": FileWrapper}
    seen: list[Any] = []
    body: Any = app.wsgi_app(environ, lambda status, headers, exc_info=None: seen.append(dict(headers)))
    assert isinstance(body, FileWrapper)
    body.file.close()
    assert seen[0]["X-Request-ID"].startswith("req_")


def test_an_error_of_a_head_request_in_the_guard_has_no_body(make_app: MakeApp, lines: Lines) -> None:
    def prepare(app: Flask) -> None:
        @app.teardown_request
        def teardown(exc: BaseException | None) -> None:
            abort("conflict")

    response = make_app(lambda: "lost", prepare=prepare).test_client().head("/")
    assert (response.status_code, response.data, response.content_type) == (409, b"", "application/json")
    assert int(response.headers["Content-Length"]) > 0
    assert len(lines.errors()) == 1


def test_a_crash_that_the_guard_answers_is_not_flasks_line_too(
    make_app: MakeApp, lines: Lines, envelope: Callable[..., SimpleNamespace]
) -> None:
    """A handler for crashes fails in a way that hides the crash: both are told, each once."""

    def prepare(app: Flask) -> None:
        @app.errorhandler(500)
        def handler(exc: Any) -> Any:
            raise KeyError("in the handler") from None

    def view() -> Any:
        raise OSError("in the view")

    error = envelope(make_app(view, prepare=prepare).test_client().get("/"), 500, "internal_error")
    assert error.line["exception"].endswith("KeyError: 'in the handler'")
    assert "in the view" not in error.line["exception"]
    (flasks,) = [line for line in lines.all() if line["event"] != "api_error"]
    assert flasks["exception"].endswith("OSError: in the view")
