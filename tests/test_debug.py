"""Debug mode: what it shows, to whom, and that it is inert for everybody else."""

import re
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, request
from itsdangerous import URLSafeSerializer

from flask_apierrors import abort

Envelope = Callable[..., SimpleNamespace]
MakeApp = Callable[..., Flask]
SECRET = "0123456789abcdef"
TRUE = {"X-Debug": "true"}


def fail() -> Any:
    abort("validation_error", details={"email": "Please enter a valid email address"})


def token(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["errors", "debug-token", *arguments])


def test_the_member_and_its_parts(make_app: MakeApp, envelope: Envelope) -> None:
    app = make_app(fail, APIERRORS_DEBUG=True)
    body = envelope(app.test_client().post("/", json={"email": "x"}, headers=TRUE), 422, "validation_error").body
    assert list(body) == ["error", "error_description", "details", "debug"]
    assert list(body["debug"]) == ["stack_trace", "request_body", "timestamp"]
    assert body["debug"]["request_body"] == {"email": "x"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["debug"]["timestamp"])
    assert body["debug"]["stack_trace"].startswith("Traceback (most recent call last):\n")
    assert 'abort("validation_error"' in body["debug"]["stack_trace"]


@pytest.mark.parametrize("debug", [False, None])
@pytest.mark.parametrize("header", ["true", "TRUE", "1", "", "a.b", "true, true", "\xff", "x" * 10_000])
def test_the_header_is_inert_where_it_is_not_allowed(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, debug: bool | None, header: str
) -> None:
    client = make_app(fail, APIERRORS_DEBUG=debug, APIERRORS_DEBUG_SECRET=SECRET).test_client()
    fixed = {"X-Request-ID": "fixed"}
    without, given = client.get("/", headers=fixed), client.get("/", headers={**fixed, "X-Debug": header})
    assert given.data == without.data
    assert given.headers.to_wsgi_list() == without.headers.to_wsgi_list()


def test_by_default_the_apps_debug_flag_decides(make_app: MakeApp) -> None:
    app = make_app(fail)
    for flag in (True, False):
        app.debug = flag
        assert ("debug" in app.test_client().get("/", headers=TRUE).get_json()) is flag


def test_a_token_opens_debug_mode_until_it_expires(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(fail, APIERRORS_DEBUG=False, APIERRORS_DEBUG_SECRET=SECRET)
    made = token(app, "--expires", "60").output.strip()

    def shown(header: str) -> bool:
        return "debug" in app.test_client().get("/", headers={"X-Debug": header}).get_json()

    assert shown(made)
    assert not shown(made[:-1])
    assert not shown(made + "x")
    serializer = URLSafeSerializer(SECRET, salt="flask_apierrors.debug")
    assert not shown(str(serializer.dumps(["exp"])))
    assert not shown(str(serializer.dumps({"exp": "soon"})))
    assert not shown(str(URLSafeSerializer("another secret!!", salt="flask_apierrors.debug").dumps({"exp": 1e12})))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert not shown(made)


def test_the_command_says_what_is_missing(make_app: MakeApp) -> None:
    result = token(make_app(fail))
    assert result.exit_code == 1
    assert "APIERRORS_DEBUG_SECRET is not set" in result.output
    result = token(make_app(fail, APIERRORS_DEBUG_SECRET=SECRET), "--expires", "0")
    assert result.exit_code == 2
    assert "0 is not in the range" in result.output


def read_all() -> Any:
    request.stream.read()
    return fail()


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, None),
        ({"json": {"password": "hunter22", "deep": [{"API-Key": "k", "name": "n"}]}},
         {"password": "REDACTED", "deep": [{"API-Key": "REDACTED", "name": "n"}]}),
        ({"json": {"a": "x" * 3000}}, {"a": "x" * 1999 + "…"}),
        ({"json": list(range(150))}, [*range(100), "…"]),
        ({"data": "{", "content_type": "application/json"}, "{"),
        ({"data": {"a": ["1", "2"], "token": "t"}}, {"a": ["1", "2"], "token": "REDACTED"}),
        ({"data": "Authorization: Bearer abcdefghijkl", "content_type": "text/plain"}, "Authorization: REDACTED"),
        ({"data": b"\xff\xfe", "content_type": "text/plain"}, "\ufffd\ufffd"),
        ({"data": "x" * 70_000}, "<70000 bytes>"),
    ],
)  # fmt: skip
def test_the_body_is_shown_cut_and_without_secrets(
    make_app: MakeApp, envelope: Envelope, options: Any, shown: Any
) -> None:
    app = make_app(fail, APIERRORS_DEBUG=True)
    body = envelope(app.test_client().post("/", headers=TRUE, **options), 422, "validation_error").body
    assert body["debug"]["request_body"] == shown


def test_a_body_that_cannot_be_read_is_not_shown(make_app: MakeApp, envelope: Envelope) -> None:
    app = make_app(request_data, APIERRORS_DEBUG=True, MAX_CONTENT_LENGTH=5)
    response = app.test_client().post("/", data="too long", headers=TRUE)
    assert envelope(response, 413, "payload_too_large").body["debug"]["request_body"] == "<unreadable>"
    taken = make_app(read_all, APIERRORS_DEBUG=True).test_client().post("/", data="taken", headers=TRUE)
    assert envelope(taken, 422, "validation_error").body["debug"]["request_body"] == ""


def request_data() -> Any:
    return request.get_data()
