"""Bearer tokens: each way to be refused, and the challenge that says why."""

import base64
import re

import jwt
import pytest


def encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_no_view_is_open(app, api, is_error):
    """Nobody forgot `require_scope` on a view."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/admin/")]
    assert len(rules) >= 6
    for rule in rules:
        path = re.sub("<[^>]+>", "x", rule.rule).removeprefix("/api/admin")
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            is_error(api(method, path, token=None), 401, "unauthorized")


def test_no_credentials_get_a_challenge_without_a_reason(api, is_error):
    response = api("GET", "/users", token=None)
    is_error(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "error=" not in response.headers["WWW-Authenticate"]


GARBAGE = {
    "text": "garbage",
    "segments": "a.b.c",
    "equals": "=",
    "latin": "\xff",
    "json": f"{encode('{')}.{encode('{}')}.",
    "nested": f"{encode('[' * 30_000)}.{encode('{}')}.x",
    "types": encode('{"alg": [], "kid": 5}') + f".{encode('{}')}.x",
}


@pytest.mark.parametrize("token", GARBAGE.values(), ids=GARBAGE)
def test_garbage_token(api, is_error, token):
    response = api("GET", "/users", token=token)
    is_error(response, 401, "unauthorized")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("credentials", ["Bearer", "Bearer a=b", "Basic eDp5", "Basic \xff", "Digest x", "\xff", ""])
def test_other_credentials(api, is_error, credentials):
    is_error(api("GET", "/users", token=None, headers={"Authorization": credentials}), 401, "unauthorized")


def test_token_without_signature(api, is_error):
    claims = jwt.decode(api.token(), options={"verify_signature": False})
    is_error(api("GET", "/users", token=jwt.encode(claims, None, "none")), 401, "unauthorized")


def test_token_of_another_signer(api, is_error):
    claims = jwt.decode(api.token(), options={"verify_signature": False})
    token = jwt.encode(claims, "another secret of 32 bytes or more", "HS256")
    is_error(api("GET", "/users", token=token), 401, "unauthorized")


@pytest.mark.parametrize("claim", ["sub", "scope", "exp"])
def test_token_without_a_claim(app, api, is_error, claim):
    claims = jwt.decode(api.token(), options={"verify_signature": False})
    del claims[claim]
    token = jwt.encode(claims, app.config["SECRET_KEY"], "HS256")
    is_error(api("GET", "/users", token=token), 401, "unauthorized")


def test_expired_token(api, is_error):
    response = api("GET", "/users", token=api.token(lifetime=-1))
    is_error(response, 401, "token_expired")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_missing_scope_is_named(api, is_error):
    response = api("POST", "/users", token=api.token("users:read"), json={})
    assert is_error(response, 403, "insufficient_scope") == {"scope": "users:write"}
    assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]
    assert 'scope="users:write"' in response.headers["WWW-Authenticate"]


def test_token_with_the_scope(api):
    assert api("GET", "/users", token=api.token("users:read")).status_code == 200


def test_token_is_asked_for_before_the_body_is_read(api, is_error):
    is_error(api("POST", "/users", token=None, data="{", content_type="application/json"), 401, "unauthorized")
