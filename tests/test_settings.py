"""Configuration mistakes are told at startup: the key, the value, and what is accepted."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from flask_apierrors import APIErrors, ConfigurationError, abort


def start(errors: APIErrors | None = None, **config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update({f"APIERRORS_{key}": value for key, value in config.items()})
    (errors or APIErrors()).init_app(app)
    return app


def test_an_unknown_key_names_its_neighbour() -> None:
    with pytest.raises(ConfigurationError, match=r"APIERRORS_REALN is not a known .* did you mean APIERRORS_REALM"):
        start(REALN="x")
    with pytest.raises(ConfigurationError, match=r"known are APIERRORS_URL_PREFIXES, .*APIERRORS_DEBUG_SECRET"):
        start(ZZZ=1)


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("URL_PREFIXES", "/api", r"a list of URL paths that begin with '/'"),
        ("URL_PREFIXES", [], r"a list of URL paths"),
        ("URL_PREFIXES", ["api"], r"a list of URL paths"),
        ("REQUEST_ID_HEADER", "X Request", "the name of an HTTP header"),
        ("REQUEST_ID_HEADER", None, "the name of an HTTP header"),
        ("TRUST_REQUEST_ID", "yes", "True or False"),
        ("REQUEST_ID_IN_BODY", 1, "True or False"),
        ("LOG_LEVELS", ["info"], "a mapping of error codes"),
        ("LOG_LEVELS", {404: "loud"}, "debug, info, warning, error, critical"),
        ("LOG_LEVELS", {"user_not_fund": "info"}, "'user_not_found'"),
        ("LOG_LEVELS", {200: "info"}, "statuses from 400 to 599"),
        ("LOG_LEVELS", {"3xx": "info"}, "'4xx' and '5xx'"),
        ("MAX_DETAILS", 0, "a whole number above 0"),
        ("MAX_TEXT", True, "a whole number above 0"),
        ("REALM", 'a "realm"', "printable ASCII text"),
        ("DEBUG", "true", "True, False or None"),
        ("DEBUG_SECRET", "short", "16 or more characters"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_accepted(key: str, value: Any, accepted: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^APIERRORS_{key} (is|has).*{accepted}") as caught:
        start(**{key: value})
    assert "short" not in str(caught.value), "a secret is not shown"


def test_levels_by_code_then_status_then_range(
    make_app: Callable[..., Flask], envelope: Callable[..., SimpleNamespace]
) -> None:
    levels = {"4xx": "debug", 404: "warning", "user_not_found": "critical", "own_code": "error"}
    errors = APIErrors()
    errors.register("own_code", 404, "Own")
    app = make_app(lambda: abort(app.config["FAIL"]), extension=errors, APIERRORS_LOG_LEVELS=levels)
    for code, status, level in [
        ("user_not_found", 404, "critical"),
        ("own_code", 404, "error"),
        ("role_not_found", 404, "warning"),
        ("timeout", 504, "error"),
    ]:
        app.config["FAIL"] = code
        assert envelope(app.test_client().get("/"), status, code).line["level"] == level


def test_the_header_of_the_id_can_be_named(make_app: Callable[..., Flask]) -> None:
    app = make_app(lambda: "ok", APIERRORS_REQUEST_ID_HEADER="X-Correlation-ID")
    response = app.test_client().get("/", headers={"X-Correlation-ID": "abc", "X-Request-ID": "def"})
    assert response.headers["X-Correlation-ID"] == "abc"
    assert "X-Request-ID" not in response.headers


def test_inbound_ids_need_not_be_trusted(make_app: Callable[..., Flask]) -> None:
    app = make_app(lambda: "ok", APIERRORS_TRUST_REQUEST_ID=False)
    response = app.test_client().get("/", headers={"X-Request-ID": "abc"})
    assert response.headers["X-Request-ID"].startswith("req_")


def test_the_id_in_the_body(make_app: Callable[..., Flask], envelope: Callable[..., SimpleNamespace]) -> None:
    app = make_app(lambda: abort("conflict", retry_after=1, details={"a": "b"}), APIERRORS_REQUEST_ID_IN_BODY=True)
    error = envelope(app.test_client().get("/"), 409, "conflict")
    assert error.body["request_id"] == error.headers["X-Request-ID"]
    assert list(error.body) == ["error", "error_description", "details", "retry_after", "request_id"]


def test_the_settings_are_frozen_when_the_app_is_initialised(
    make_app: Callable[..., Flask], envelope: Callable[..., SimpleNamespace]
) -> None:
    app = make_app(lambda: abort("unauthorized"), APIERRORS_REALM="before")
    app.config["APIERRORS_REALM"] = "after"
    error = envelope(app.test_client().get("/"), 401, "unauthorized")
    assert error.headers["WWW-Authenticate"] == 'Bearer realm="before"'
