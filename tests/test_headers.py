"""The headers of errors: what the standards ask for, what the exception brought, and nothing that breaks a server."""

import io
import math
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import flask
import pytest
from flask import Flask, Response, request, session
from werkzeug.datastructures import Headers, MultiDict, WWWAuthenticate
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    RequestedRangeNotSatisfiable,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)

from flask_apierrors import APIError, abort

NOW = datetime(2024, 1, 22, 10, 30, tzinfo=timezone.utc)


def raising(*args: Any, **kwargs: Any) -> Any:
    """A view that aborts."""

    def view(**_: object) -> None:
        abort(*args, **kwargs)

    return view


def throwing(make: Any) -> Any:
    def view() -> None:
        raise make()

    return view


# --- WWW-Authenticate: RFC 9110 section 15.5.2, RFC 6750 section 3 ---

CODES_401 = ["unauthorized", "token_expired", "token_revoked", 401]


@pytest.mark.parametrize("code", CODES_401)
def test_a_401_without_credentials_has_a_challenge_without_error(make_app, code):
    response = make_app(raising(code)).test_client().get("/")
    assert response.status_code == 401
    assert response.headers.getlist("WWW-Authenticate") == ['Bearer realm="api"']


@pytest.mark.parametrize("code", CODES_401)
def test_a_401_with_credentials_says_that_the_token_is_invalid(make_app, code):
    response = make_app(raising(code)).test_client().get("/", headers={"Authorization": "Bearer expired"})
    (challenge,) = response.headers.getlist("WWW-Authenticate")
    parsed = WWWAuthenticate.from_header(challenge)
    assert (parsed.type, parsed.parameters) == ("bearer", {"realm": "api", "error": "invalid_token"})


@pytest.mark.parametrize("raised", [lambda: flask.abort(401), throwing(Unauthorized)])
def test_a_401_of_flask_has_a_challenge_too(make_app, raised):
    assert make_app(raised).test_client().get("/").headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("authorization", [None, "Bearer valid"])
def test_insufficient_scope_is_a_403_with_a_challenge(make_app, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    response = make_app(raising("insufficient_scope")).test_client().get("/", headers=headers)
    assert response.status_code == 403
    (challenge,) = response.headers.getlist("WWW-Authenticate")
    assert WWWAuthenticate.from_header(challenge).parameters == {"realm": "api", "error": "insufficient_scope"}


@pytest.mark.parametrize(
    ("details", "scope"),
    [
        ({"scope": "users:write"}, "users:write"),
        ({"scope": ["users:read", "users:write"]}, "users:read users:write"),
        ({"scope": 'a", error="x'}, "a?, error=?x"),
        ({"scope": "a\r\nSet-Cookie: a=1"}, "a??Set-Cookie: a=1"),
        ({"scope": "caf\u00e9 \ud800\\"}, None),
        ({"user": {"scope": "not this"}}, ""),
    ],
)
def test_insufficient_scope_names_the_scope_each_parameter_once(make_app, details, scope):
    headers = make_app(raising("insufficient_scope", details=details)).test_client().get("/").headers
    (challenge,) = headers.getlist("WWW-Authenticate")
    assert re.fullmatch(
        r'Bearer [a-z]+="[\x20\x21\x23-\x5b\x5d-\x7e]*"(, [a-z]+="[\x20\x21\x23-\x5b\x5d-\x7e]*")*', challenge
    )
    names = re.findall(r'([a-z]+)="[^"]*"', challenge)
    assert len(names) == len(set(names))
    assert scope is None or WWWAuthenticate.from_header(challenge).parameters.get("scope", "") == scope
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize("code", ["forbidden", "user_locked", "not_found", "internal_error"])
def test_other_errors_have_no_challenge(make_app, code):
    assert "WWW-Authenticate" not in make_app(raising(code)).test_client().get("/").headers


def test_the_realm_is_configured(make_app):
    response = make_app(raising(401), APIERRORS_REALM="users of acme").test_client().get("/")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="users of acme"'


def test_every_challenge_of_the_original_is_kept_and_none_is_added(make_app):
    challenges = [WWWAuthenticate("basic", {"realm": "a"}), WWWAuthenticate("digest", {"realm": "b", "nonce": "n"})]
    response = make_app(throwing(lambda: Unauthorized(www_authenticate=challenges))).test_client().get("/")
    assert response.headers.getlist("WWW-Authenticate") == [challenge.to_header() for challenge in challenges]


@pytest.mark.parametrize("name", ["WWW-Authenticate", "www-authenticate"])
def test_an_own_challenge_stands(make_app, name):
    view = raising("unauthorized", headers=[(name, 'Basic realm="a"'), (name, 'DPoP algs="ES256"')])
    challenges = make_app(view).test_client().get("/").headers.getlist("WWW-Authenticate")
    assert challenges == ['Basic realm="a"', 'DPoP algs="ES256"']


def test_a_401_that_escapes_flask_has_a_challenge(make_app):
    app = make_app(lambda: "fine")
    app.teardown_request(lambda exc: abort("token_expired"))
    response = app.test_client().get("/", headers={"Authorization": "Bearer expired"})
    assert (response.status_code, response.json["error"]) == (401, "token_expired")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


# --- Retry-After: RFC 9110 section 10.2.3 ---


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(0, 0), (1, 1), (120, 120), (1.2, 2), (0.0, 0), (-5, 0), (-0.5, 0), (timedelta(minutes=2), 120),
     (timedelta(milliseconds=1), 1), (timedelta(days=-1), 0)],
)  # fmt: skip
@pytest.mark.parametrize("code", ["rate_limit_exceeded", "service_unavailable", "conflict"])
def test_retry_after_is_whole_seconds_in_body_and_header(make_app, given, seconds, code):
    response = make_app(raising(code, retry_after=given)).test_client().get("/")
    assert response.json["retry_after"] == seconds
    assert response.headers.getlist("Retry-After") == [str(seconds)]


@pytest.mark.parametrize(
    ("offset", "low", "high"), [(timedelta(seconds=100), 98, 100), (timedelta(seconds=-100), 0, 0)]
)
@pytest.mark.parametrize(
    "zone", [timezone.utc, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12)), None], ids=str
)
@pytest.mark.parametrize("how", ["retry_after", "header", "werkzeug"])
def test_retry_after_as_a_moment_is_the_time_until_then(make_app, offset, low, high, zone, how):
    def view() -> None:
        moment = datetime.now(timezone.utc) + offset
        moment = moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)
        if how == "retry_after":
            abort("rate_limit_exceeded", retry_after=moment)
        if how == "header":
            abort("rate_limit_exceeded", headers={"Retry-After": format_datetime(moment)})
        raise ServiceUnavailable(retry_after=moment)

    response = make_app(view).test_client().get("/")
    assert low <= response.json["retry_after"] <= high
    assert response.headers.getlist("Retry-After") == [str(response.json["retry_after"])]


class Hostile:
    def __int__(self) -> int:
        raise RuntimeError("int")

    __str__ = __float__ = __index__ = __eq__ = __le__ = __ge__ = __lt__ = __gt__ = __int__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class HostileInt(int):
    def __lt__(self, other: object) -> bool:
        raise RuntimeError("lt")

    __gt__ = __le__ = __ge__ = __eq__ = __ceil__ = __str__ = __lt__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "given",
    [math.nan, math.inf, -math.inf, "soon", "5", b"5", True, [5], {}, object, Hostile, HostileInt, 10**400, -(10**400),
     1e308, timedelta.max, timedelta.min, datetime.max, datetime.min, datetime.max.replace(tzinfo=timezone.utc), 5j,
     datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
     datetime.max.replace(tzinfo=timezone(timedelta(hours=-9)))],
)  # fmt: skip
def test_a_hostile_retry_after_never_costs_the_error(make_app, envelope, given):
    view = raising("rate_limit_exceeded", retry_after=given() if isinstance(given, type) else given)
    found = envelope(make_app(view).test_client().get("/"), 429, "rate_limit_exceeded")
    seconds = found.body.get("retry_after", 0)
    assert type(seconds) is int
    assert 0 <= seconds < 2**31
    assert "retry_after" in found.body or "retry_after" in str(found.line["faults"])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), (" 120 ", 120), ("0", 0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("9" * 30, 2**31 - 1)],
)
def test_a_retry_after_among_the_headers_is_in_the_body_too(make_app, envelope, value, seconds):
    view = raising("rate_limit_exceeded", headers={"retry-after": value})
    found = envelope(make_app(view).test_client().get("/"), 429, "rate_limit_exceeded")
    assert found.body["retry_after"] == seconds


@pytest.mark.parametrize(
    "value", ["soon", "-5", "1.5", "", "9" * 5000, "Fri, 99 Dec 1999", "\u0661", "+5", "1e3", "1_0"]
)
def test_a_malformed_retry_after_among_the_headers_is_not_sent(make_app, envelope, value):
    view = raising("rate_limit_exceeded", headers={"Retry-After": value})
    envelope(make_app(view).test_client().get("/"), 429, "rate_limit_exceeded")


def test_an_argument_wins_over_headers_for_retry_after(make_app, envelope):
    view = raising("rate_limit_exceeded", retry_after=5, headers=[("Retry-After", "7"), ("Retry-After", "9")])
    found = envelope(make_app(view).test_client().get("/"), 429, "rate_limit_exceeded")
    assert found.body["retry_after"] == 5


@pytest.mark.parametrize("kind", [TooManyRequests, ServiceUnavailable])
def test_the_retry_after_of_werkzeug_is_in_the_body_too(make_app, kind):
    response = make_app(throwing(lambda: kind(retry_after=30))).test_client().get("/")
    assert (response.json["retry_after"], response.headers.getlist("Retry-After")) == (30, ["30"])


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "service_unavailable"])
def test_no_retry_after_is_made_up(make_app, code):
    response = make_app(raising(code)).test_client().get("/")
    assert "Retry-After" not in response.headers
    assert "retry_after" not in response.json


# --- Allow: RFC 9110 section 15.5.6 ---


def test_a_405_of_the_router_has_allow(make_app, envelope):
    found = envelope(make_app(lambda: "fine").test_client().delete("/"), 405, "method_not_allowed")
    (allow,) = found.headers.getlist("Allow")
    assert set(allow.split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize(
    "raised", [raising(405), raising("method_not_allowed"), lambda: flask.abort(405), throwing(MethodNotAllowed)]
)
def test_a_405_of_a_view_has_the_methods_of_its_rule(make_app, raised):
    (allow,) = make_app(raised).test_client().get("/").headers.getlist("Allow")
    assert set(allow.split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_a_405_for_an_unknown_url_has_an_empty_allow(make_app):
    app = make_app()
    app.before_request(raising(405))
    assert app.test_client().get("/nowhere").headers.getlist("Allow") == [""]


def test_a_405_that_brings_allow_keeps_it(make_app):
    for view in (raising(405, headers={"allow": "PATCH"}), throwing(lambda: MethodNotAllowed(["PATCH"]))):
        assert make_app(view).test_client().get("/").headers.getlist("Allow") == ["PATCH"]


# --- Cache-Control ---


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 414, 422, 429, 500, 501, 503])
def test_errors_are_not_cached(make_app, status):
    assert make_app(raising(status)).test_client().get("/").headers.getlist("Cache-Control") == ["no-store"]


def test_a_crash_a_validation_error_and_an_escape_are_not_cached(make_app):
    app = make_app(throwing(RuntimeError))
    app.add_url_rule("/escape", "escape", lambda: "fine")
    app.teardown_request(lambda exc: 1 / (request.path != "/escape"))
    for path in ("/", "/escape"):
        response = app.test_client().get(path)
        assert (response.status_code, response.headers.getlist("Cache-Control")) == (500, ["no-store"])


def test_a_cache_control_that_the_application_set_stands(make_app):
    view = raising("not_found", headers={"cache-control": "max-age=60"})
    assert make_app(view).test_client().get("/").headers.getlist("Cache-Control") == ["max-age=60"]
    app = make_app(raising("not_found"))

    @app.after_request
    def cache(response: Response) -> Response:
        response.cache_control.no_store = None
        response.cache_control.max_age = 5
        return response

    assert app.test_client().get("/").headers.getlist("Cache-Control") == ["max-age=5"]


@pytest.mark.parametrize("view", [lambda: "fine", lambda: ("mine", 404), lambda: flask.redirect("/x")])
def test_responses_that_are_not_ours_are_left_alone(make_app, view):
    assert "Cache-Control" not in make_app(view).test_client().get("/").headers


# --- What the exception brings ---

REPEATED = [("X-One", "1"), ("Link", "<a>"), ("Link", "<b>"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]


@pytest.mark.parametrize("given", [REPEATED, tuple(REPEATED), Headers(REPEATED), MultiDict(REPEATED)], ids=type)
@pytest.mark.parametrize("where", ["view", "teardown"])
def test_repeated_headers_are_all_kept(make_app, given, where):
    app = make_app(raising("conflict", headers=given) if where == "view" else lambda: "fine")
    if where == "teardown":
        app.teardown_request(lambda exc: abort("conflict", headers=given))
    response = app.test_client().get("/")
    assert response.status_code == 409
    assert response.headers.getlist("X-One") == ["1"]
    assert response.headers.getlist("Link") == ["<a>", "<b>"]
    assert response.headers.getlist("Set-Cookie") == ["a=1", "b=2"]


def test_headers_may_be_made_one_by_one(make_app):
    def pairs() -> Iterator[tuple[str, str]]:
        yield from REPEATED

    def view() -> None:
        abort("conflict", headers=pairs())

    assert make_app(view).test_client().get("/").headers.getlist("Link") == ["<a>", "<b>"]


def test_headers_of_a_subclass_of_http_exception_are_kept(make_app):
    class Mine(HTTPException):
        code = 409

        def get_headers(self, *args: Any) -> list[tuple[str, str]]:
            return [*super().get_headers(*args), *REPEATED]

    headers = make_app(throwing(Mine)).test_client().get("/").headers
    assert headers.getlist("Link") == ["<a>", "<b>"]
    assert headers.getlist("Content-Type") == ["application/json"]


def test_the_session_and_other_hooks_still_set_their_headers(make_app):
    def view() -> None:
        session["a"] = 1
        abort("conflict", headers={"Set-Cookie": "b=2"})

    cookies = make_app(view, SECRET_KEY="key").test_client().get("/").headers.getlist("Set-Cookie")
    assert sorted(cookie.split("=")[0] for cookie in cookies) == ["b", "session"]


@pytest.mark.parametrize("where", ["view", "teardown"])
@pytest.mark.parametrize(
    "name",
    ["Content-Type", "Content-Length", "content-encoding", "Transfer-Encoding", "ETag", "Last-Modified", "Connection",
     "Keep-Alive", "Upgrade", "Trailer", "TE"],
)  # fmt: skip
def test_headers_that_belong_to_another_body_or_to_the_connection_are_not_kept(make_app, call_wsgi, name, where):
    app = make_app(raising("conflict", headers={name: "5"}) if where == "view" else lambda: "fine")
    if where == "teardown":
        app.teardown_request(lambda exc: abort("conflict", headers={name: "5"}))
    answer = call_wsgi(app)
    headers = Headers(answer.starts[0][1])
    body = b"".join(answer.body)
    assert headers.getlist("Content-Type") == ["application/json"]
    assert headers.getlist("Content-Length") == [str(len(body))]
    assert name in ("Content-Type", "Content-Length") or name not in headers


@pytest.mark.parametrize("where", ["view", "teardown"])
def test_the_request_id_cannot_be_replaced(make_app, where):
    headers = [("x-request-id", "evil"), ("X-Request-ID", "worse")]
    app = make_app(raising("conflict", headers=headers) if where == "view" else lambda: "fine")
    if where == "teardown":
        app.teardown_request(lambda exc: abort("conflict", headers=headers))
    response = app.test_client().get("/", headers={"X-Request-ID": "good"})
    assert (response.status_code, response.headers.getlist("X-Request-ID")) == (409, ["good"])


class Raises:
    def __str__(self) -> str:
        raise RuntimeError("str")


BROKEN = {
    "line feed": ("X-Bad", "a\r\nSet-Cookie: evil=1"),
    "bare return": ("X-Bad", "a\rb"),
    "null": ("X-Bad", "a\x00b"),
    "delete": ("X-Bad", "a\x7f"),
    "not latin-1": ("X-Bad", "\u20ac"),
    "surrogate": ("X-Bad", "\ud800"),
    "long": ("X-Bad", "x" * 1_000_000),
    "no name": ("", "a"),
    "name with colon": ("X-Bad:", "a"),
    "name with space": ("X Bad", "a"),
    "name with line feed": ("X-Bad\r\nSet-Cookie", "evil=1"),
    "name not ascii": ("X-B\u00e4d", "a"),
    "long name": ("X-Bad" * 1000, "a"),
}


@pytest.mark.parametrize("where", ["view", "teardown", "werkzeug"])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_header_that_no_server_can_send_is_left_out_and_the_log_is_told(
    make_app, envelope, call_wsgi, lines, where, broken
):
    class Mine(HTTPException):
        code = 409

        def get_headers(self, *args: Any) -> list[tuple[str, str]]:
            return [broken, ("X-Good", "1")]

    app = make_app(
        {"view": raising("conflict", headers=[broken, ("X-Good", "1")]), "werkzeug": throwing(Mine)}.get(where)
    )
    if where == "teardown":
        app.add_url_rule("/", "view", lambda: "fine")
        app.teardown_request(lambda exc: abort("conflict", headers=[broken, ("X-Good", "1")]))
    answer = call_wsgi(app)
    b"".join(answer.body)
    status, headers = answer.starts[0][:2]
    assert status == "409 CONFLICT"
    assert ("X-Good", "1") in headers
    for name, value in headers:
        assert re.fullmatch(r"[A-Za-z0-9-]+", name)
        assert re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value)
        assert "evil" not in value
        assert not name.startswith("X-B")
    (line,) = lines.errors()
    assert "headers" in str(line["faults"])


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"X-Mine": 5}, "5"),
        ({"X-Mine": b"bytes"}, "bytes"),
        ({"X-Mine": "caf\u00e9"}, "caf\u00e9"),
        ({"X-Mine": ""}, ""),
        ({"X-Mine": "a\tb"}, "a\tb"),
    ],
)
def test_header_values_become_text(make_app, given, sent):
    assert make_app(raising("conflict", headers=given)).test_client().get("/").headers["X-Mine"] == sent


@pytest.mark.parametrize(
    "given", ["text", 5, [5], [("a",)], [("a", "b", "c")], [None], {"X-Mine": Raises()}, Raises()], ids=repr
)
def test_headers_of_a_wrong_shape_never_cost_the_error(make_app, envelope, given):
    envelope(make_app(raising("conflict", headers=given)).test_client().get("/"), 409, "conflict")


# --- HEAD, 413, 416 ---


@pytest.mark.parametrize(
    "view",
    [raising("unauthorized"), raising("rate_limit_exceeded", retry_after=3), raising(405), throwing(RuntimeError),
     raising("conflict", headers=REPEATED), raising("validation_error", details={"a": "b"})],
)  # fmt: skip
@pytest.mark.parametrize("where", ["view", "teardown"])
def test_head_has_the_headers_of_get_and_no_body(make_app, view, where):
    app = make_app(view if where == "view" else lambda: "fine")
    if where == "teardown":
        app.teardown_request(lambda exc: view())
    get, head = (
        app.test_client().open("/", method=method, headers={"X-Request-ID": "id"}) for method in ("GET", "HEAD")
    )
    assert head.data == b""
    assert head.status == get.status
    assert sorted(head.headers) == sorted(get.headers)
    assert int(head.headers["Content-Length"]) == len(get.data) > 0


def test_a_413_is_an_envelope_like_others(make_app, envelope):
    app = make_app(lambda: request.get_data(), MAX_CONTENT_LENGTH=4)
    found = envelope(app.test_client().post("/", data=b"too long"), 413, "payload_too_large")
    assert found.headers["Cache-Control"] == "no-store"
    assert found.body["error_description"] == "The request body is too large"


def test_a_416_keeps_content_range_and_accept_ranges(make_app, envelope):
    view = throwing(lambda: RequestedRangeNotSatisfiable(10))
    found = envelope(make_app(view).test_client().get("/"), 416, "range_not_satisfiable")
    assert found.headers.getlist("Content-Range") == ["bytes */10"]


def test_a_416_of_a_file_keeps_content_range(make_app, envelope):
    app = make_app(lambda: flask.send_file(io.BytesIO(b"0123456789"), "text/plain", conditional=True))
    response = app.test_client().get("/", headers={"Range": "bytes=50-60"})
    assert envelope(response, 416, "range_not_satisfiable").headers["Content-Range"] == "bytes */10"


def test_outside_the_prefix_no_header_but_the_id_is_added(make_app):
    app = make_app(throwing(lambda: APIError("unauthorized")), APIERRORS_URL_PREFIXES=["/api"])
    headers = app.test_client().get("/", headers={"X-Request-ID": "id"}).headers
    assert sorted(name for name, _ in headers) == ["Content-Length", "Content-Type", "X-Request-ID"]


def test_an_app_without_the_extension_is_not_touched(make_app):
    make_app()
    headers = Flask("alone", static_folder=None).test_client().get("/").headers
    assert sorted(name for name, _ in headers) == ["Content-Length", "Content-Type"]
