"""The example in-process: an app with a database of its own, and a client that speaks its language."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from example_app import create_app
from example_app.auth import SCOPES, issue_token
from example_app.database import get_engine
from example_app.sample_data import prepare

SECRET = "a secret for tests, 32 bytes or more"
ALL_SCOPES = " ".join(SCOPES)


class Api:
    """Calls the API below ``/api/admin`` with a token that may do everything, unless told otherwise."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client = app.test_client()

    def token(self, scopes: str = ALL_SCOPES, lifetime: int = 60) -> str:
        return issue_token(SECRET, "tester", scopes.split(), lifetime)

    def __call__(self, method: str, path: str, *, token: str | None = "", **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token()}"
        return self.client.open(f"/api/admin{path}", method=method, headers=headers, **options)

    def create_user(self, **changes: Any) -> dict[str, Any]:
        user = {"email": "kay@example.com", "name": "Alan Kay", "password": "smalltalk 1972", **changes}
        response = self("POST", "/users", json=user)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json
        return created


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    apps: list[Flask] = []

    def make(**config: Any) -> Flask:
        defaults = {"DATABASE_URL": f"sqlite:///{tmp_path}/test.sqlite", "SECRET_KEY": SECRET}
        apps.append(create_app(defaults | config))
        return apps[-1]

    yield make
    for app in apps:
        get_engine(app).dispose()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    app = make_app()
    prepare(app)
    return app


@pytest.fixture
def api(app: Flask) -> Api:
    return Api(app)


def _is_error(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.json["error"]) == (status, code), response.text
    assert response.content_type == "application/json"
    assert response.headers["X-Request-ID"]
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json["error_description"]
    assert set(response.json) <= {"error", "error_description", "details"}
    details: dict[str, Any] = response.json.get("details", {})
    assert all(isinstance(text, str) for text in details.values())
    return details


@pytest.fixture
def is_error() -> Callable[[TestResponse, int, str], dict[str, Any]]:
    """Check that a response is the envelope of that code, and return its details."""
    return _is_error
