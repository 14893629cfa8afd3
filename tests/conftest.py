"""What tests share: apps in one line, the log lines as they were written, and nothing left behind."""

import logging
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.globals import app_ctx, request_ctx
from flask.logging import default_handler
from loglines import Lines, strict_json
from werkzeug.test import TestResponse, create_environ

from flask_apierrors import APIErrors, configure_logging, get_request_id

MEMBERS = ["error", "error_description", "details", "retry_after", "request_id", "debug"]


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Restore what logging was set up to, and fail a test that leaves a context or a request id behind."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configuration = structlog.get_config() if structlog.is_configured() else None
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger in list(root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.removeHandler(default_handler)
    structlog.reset_defaults()
    if configuration is not None:
        structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()
    leaked: list[object] = []
    while request_ctx:
        leaked.append(request_ctx._get_current_object())
        request_ctx.pop()
    while app_ctx:
        leaked.append(app_ctx._get_current_object())
        app_ctx.pop()
    assert leaked == []
    assert get_request_id() is None


@pytest.fixture
def lines() -> Lines:
    """The lines that are logged from here on; logging is configured."""
    lines = Lines()
    configure_logging(stream=lines.stream)
    return lines


@pytest.fixture
def make_app() -> Callable[..., Flask]:
    """Make an app with `view` at `/`; `prepare` is called with it before the extension is, other names are config."""

    def make(
        view: Callable[..., Any] | None = None,
        *,
        prepare: Callable[[Flask], object] = lambda app: None,
        extension: APIErrors | None = None,
        flask_class: type[Flask] = Flask,
        **config: Any,
    ) -> Flask:
        app = flask_class("app_under_test", static_folder=None)
        app.config.update(config)
        prepare(app)
        (extension or APIErrors()).init_app(app)
        if view is not None:
            app.add_url_rule("/", "view", view, methods=["GET", "POST"])
        return app

    return make


@pytest.fixture
def envelope(lines: Lines) -> Callable[..., SimpleNamespace]:
    """Check that a response is an envelope that was logged once; return its `body` and its `line`."""

    def check(response: TestResponse, status: int, code: str) -> SimpleNamespace:
        body = strict_json(response.data)
        assert (response.status_code, body["error"]) == (status, code), body
        assert response.content_type == "application/json"
        assert list(body) == [name for name in MEMBERS if name in body]
        assert isinstance(body["error_description"], str)
        assert body["error_description"]
        details = body.get("details", {"": ""})
        assert details
        assert all(isinstance(text, str) for text in details.values())
        assert response.headers.getlist("Retry-After") == ([str(body["retry_after"])] if "retry_after" in body else [])
        assert len(response.headers.getlist("Cache-Control")) == 1
        (request_id,) = response.headers.getlist("X-Request-ID")
        (line,) = [line for line in lines.errors() if line["request_id"] == request_id]
        assert (line["error_code"], line["status"]) == (code, status)
        return SimpleNamespace(body=body, line=line, headers=response.headers)

    return check


@pytest.fixture
def call_wsgi() -> Callable[..., SimpleNamespace]:
    """Call an app as a server does; the body is not read yet, `starts` are the calls of `start_response`."""

    def call(app: Flask, path: str = "/", **environ: Any) -> SimpleNamespace:
        starts: list[tuple[Any, ...]] = []

        def start_response(*args: Any) -> Callable[[bytes], None]:
            starts.append(args)
            return lambda data: None

        body: Iterable[bytes] = app(create_environ(path, environ_overrides=environ), start_response)
        return SimpleNamespace(body=body, starts=starts)

    return call
