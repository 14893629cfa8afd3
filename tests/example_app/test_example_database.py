"""Preparing a database, its failures, and which constraint an error is about."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from example_app.database import UtcDateTime, get_engine, violates_unique
from example_app.sample_data import prepare
from example_app.users.models import User


def test_workers_that_start_together_prepare_once(make_app, tmp_path):
    apps = [make_app() for _ in range(4)]
    with ThreadPoolExecutor(len(apps)) as pool:
        list(pool.map(prepare, apps))
    connection = sqlite3.connect(tmp_path / "test.sqlite")
    assert connection.execute("SELECT count(*) FROM users").fetchone() == (3,)
    assert connection.execute("SELECT count(*) FROM policies").fetchone() == (1,)
    connection.close()


def test_sample_data_does_not_come_back(app, api):
    for user in api("GET", "/users").json["items"]:
        assert api("DELETE", f"/users/{user['id']}").status_code == 204
    prepare(app)
    assert api("GET", "/users").json["total"] == 0


def test_failing_database(make_app, app, api, is_error):
    with get_engine(app).begin() as connection:
        connection.execute(text("ALTER TABLE users RENAME TO elsewhere"))
    response = api("GET", "/users")
    assert is_error(response, 500, "database_error") == {}
    assert response.json["error_description"] == "Database error"


def test_locked_database(make_app, app, api, is_error, monkeypatch):
    monkeypatch.setattr("example_app.database.SQLITE_BUSY_SECONDS", 0.05)
    impatient = type(api)(make_app())
    with get_engine(app).connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        user = {"email": "kay@example.com", "name": "Alan Kay", "password": "smalltalk 1972"}
        is_error(impatient("POST", "/users", json=user), 500, "database_error")
        connection.rollback()
    assert impatient("POST", "/users", json=user).status_code == 201


def integrity_error(original: object) -> IntegrityError:
    return IntegrityError("INSERT", {}, original)


@pytest.mark.parametrize(
    ("original", "violates"),
    [
        (sqlite3.IntegrityError("UNIQUE constraint failed: users.email"), True),
        (sqlite3.IntegrityError("UNIQUE constraint failed: users.id"), False),
        (sqlite3.IntegrityError("NOT NULL constraint failed: users.email"), False),
        (SimpleNamespace(diag=SimpleNamespace(constraint_name="uq_users_email")), True),
        (SimpleNamespace(diag=SimpleNamespace(constraint_name="pk_users")), False),
    ],
)
def test_only_the_one_constraint_counts(original, violates):
    assert violates_unique(integrity_error(original), User.email) is violates


def test_the_constraint_has_the_name_that_is_looked_for():
    assert "uq_users_email" in {constraint.name for constraint in User.__table__.constraints}


def test_another_constraint_is_a_crash(api, is_error, monkeypatch):
    """Only the address has a code: any other violated constraint is a bug and must look like one."""
    monkeypatch.setattr("example_app.users.service.hash_password", lambda password: None)
    user = {"email": "kay@example.com", "name": "Alan Kay", "password": "smalltalk 1972"}
    is_error(api("POST", "/users", json=user), 500, "internal_error")


@pytest.mark.parametrize("time", [datetime(2024, 1, 22, 10, 30), datetime(2024, 1, 22, 10, 30, tzinfo=timezone.utc)])
def test_times_come_back_in_utc(time):
    assert UtcDateTime().process_result_value(time, None) == datetime(2024, 1, 22, 10, 30, tzinfo=timezone.utc)
    assert UtcDateTime().process_result_value(None, None) is None
    assert UtcDateTime().process_bind_param(None, None) is None


def test_foreign_keys_are_enforced(app):
    with get_engine(app).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
