"""``/api/admin/users``: what works, and each error."""

import re

import pytest
from sqlalchemy import select

from example_app.database import get_engine
from example_app.users.models import User
from example_app.users.passwords import COMMON_PASSWORDS

UNKNOWN_ID = "usr_" + "0" * 32


class TestCreate:
    def test_answers_201_with_location(self, api):
        response = api(
            "POST", "/users", json={"email": "kay@example.com", "name": "Alan Kay", "password": "smalltalk 1972"}
        )
        assert response.status_code == 201
        user = response.json
        assert re.fullmatch(r"usr_[0-9a-f]{32}", user["id"])
        assert set(user) == {"id", "email", "name", "created_at", "updated_at"}
        assert user["created_at"].endswith("+00:00")
        assert response.headers["Location"] == f"/api/admin/users/{user['id']}"
        assert response.headers["X-Request-ID"]
        assert api("GET", f"/users/{user['id']}").json == user

    def test_stores_a_hash_instead_of_the_password(self, api, app):
        api.create_user(password="smalltalk 1972")
        with get_engine(app).connect() as connection:
            stored = connection.scalar(select(User.password_hash).where(User.email == "kay@example.com"))
        assert stored.startswith("$argon2id$")

    @pytest.mark.parametrize("email", ["kay@example.com", "KAY@Example.COM", " kay@example.com "])
    def test_duplicate_email(self, api, is_error, email):
        api.create_user(email="Kay@example.com")
        response = api("POST", "/users", json={"email": email, "name": "Other", "password": "smalltalk 1972"})
        assert is_error(response, 409, "email_already_exists") == {}
        assert api("GET", "/users").json["total"] == 4

    def test_invalid_user_has_one_text_per_field(self, api, is_error):
        response = api("POST", "/users", json={"email": "nobody", "password": "short", "admin": True})
        assert is_error(response, 422, "validation_error") == {
            "email": "Please enter a valid email address",
            "name": "Name is required",
            "password": "Password must have 12 to 128 characters. Password must have letters and digits.",
            "admin": "Unknown field.",
        }

    @pytest.mark.parametrize(
        "email", ["nobody", "", "a@b", "@example.com", "x" * 250 + "@example.com", "a\0@example.com", 5, None, ["a"]]
    )
    def test_invalid_email_alone(self, api, is_error, email):
        response = api("POST", "/users", json={"email": email, "name": "Alan Kay", "password": "smalltalk 1972"})
        assert list(is_error(response, 422, "invalid_email")) == ["email"]

    @pytest.mark.parametrize(
        "password",
        ["short 1", "x1" * 65, "only letters here", "123456789012", "Password1234", "nul\0 nul 1234", 5, None],
    )
    def test_invalid_password_alone(self, api, is_error, password):
        response = api("POST", "/users", json={"email": "kay@example.com", "name": "Alan Kay", "password": password})
        assert list(is_error(response, 422, "invalid_password")) == ["password"]

    @pytest.mark.parametrize("name", ["", "  ", "x" * 101, "two\nlines", "\0", None, {}])
    def test_invalid_name_alone(self, api, is_error, name):
        response = api("POST", "/users", json={"email": "kay@example.com", "name": name, "password": "smalltalk 1972"})
        assert list(is_error(response, 422, "validation_error")) == ["name"]

    def test_the_list_of_common_passwords_has_none_that_another_rule_refuses(self):
        for password in COMMON_PASSWORDS:
            assert len(password) >= 12
            assert password == password.lower()
            assert not password.isalpha()
            assert not password.isdigit()

    def test_malformed_json(self, api, is_error):
        is_error(api("POST", "/users", data="{", content_type="application/json"), 400, "invalid_json")

    @pytest.mark.parametrize("body", ["[]", '"text"', "5", "null"])
    def test_body_that_is_no_object(self, api, is_error, body):
        is_error(api("POST", "/users", data=body, content_type="application/json"), 400, "invalid_request")

    def test_wrong_content_type(self, api, is_error):
        is_error(api("POST", "/users", data={"name": "x"}), 415, "unsupported_media_type")

    def test_body_over_the_limit(self, api, is_error):
        body = b'"' + b"x" * 1024 * 1024 + b'"'
        is_error(api("POST", "/users", data=body, content_type="application/json"), 413, "payload_too_large")


class TestRead:
    @pytest.mark.parametrize(
        "user_id", [UNKNOWN_ID, "nobody", "usr_", "%00", "..", "1" * 3000, "%ff", UNKNOWN_ID + "%0A"]
    )
    def test_unknown_user(self, api, is_error, user_id):
        is_error(api("GET", f"/users/{user_id}"), 404, "user_not_found")

    def test_wrong_method(self, api, is_error):
        response = api("PUT", f"/users/{UNKNOWN_ID}")
        is_error(response, 405, "method_not_allowed")
        assert set(response.allow) == {"GET", "HEAD", "OPTIONS", "PATCH", "DELETE"}

    def test_head_has_no_body(self, api):
        response = api("HEAD", f"/users/{UNKNOWN_ID}")
        assert (response.status_code, response.data) == (404, b"")
        assert response.headers["X-Request-ID"]


class TestList:
    def test_first_page_has_the_defaults(self, api):
        page = api("GET", "/users").json
        assert [user["email"] for user in page["items"]] == ["ada@example.com", "alan@example.com", "grace@example.com"]
        assert (page["page"], page["per_page"], page["total"]) == (1, 20, 3)

    def test_pages(self, api):
        api.create_user()
        pages = [api("GET", f"/users?page={page}&per_page=3").json for page in (1, 2, 3)]
        assert [len(page["items"]) for page in pages] == [3, 1, 0]
        assert {page["total"] for page in pages} == {4}

    @pytest.mark.parametrize(
        ("query", "paths"),
        [
            ("page=0", ["page"]),
            ("page=-1", ["page"]),
            ("page=x", ["page"]),
            ("page=", ["page"]),
            ("page=1.5", ["page"]),
            ("page=%00", ["page"]),
            ("page=1&page=2", ["page"]),
            ("page=" + "9" * 30, ["page"]),
            ("page=" + "9" * 5000, ["page"]),
            ("per_page=101", ["per_page"]),
            ("page=0&per_page=0", ["page", "per_page"]),
            ("sort=name", ["sort"]),
        ],
    )
    def test_bad_parameters(self, api, is_error, query, paths):
        assert list(is_error(api("GET", f"/users?{query}"), 422, "validation_error")) == paths


class TestChange:
    def test_changes_what_is_given(self, api):
        before = api.create_user()
        response = api("PATCH", f"/users/{before['id']}", json={"name": "Alan C. Kay"})
        assert response.status_code == 200
        after = response.json
        assert after["name"] == "Alan C. Kay"
        assert after["updated_at"] > before["updated_at"]
        unchanged = {"id", "email", "created_at"}
        assert {key: after[key] for key in unchanged} == {key: before[key] for key in unchanged}

    def test_nothing_given_changes_nothing(self, api):
        before = api.create_user()
        assert api("PATCH", f"/users/{before['id']}", json={}).json == before

    def test_changes_the_password(self, api, app):
        user = api.create_user()
        with get_engine(app).connect() as connection:
            statement = select(User.password_hash).where(User.id == user["id"])
            before = connection.scalar(statement)
            assert api("PATCH", f"/users/{user['id']}", json={"password": "dynabook 1972"}).status_code == 200
            assert connection.scalar(statement) != before

    def test_own_email_again(self, api):
        user = api.create_user()
        assert api("PATCH", f"/users/{user['id']}", json={"email": user["email"].upper()}).status_code == 200

    def test_email_of_another_user(self, api, is_error):
        user = api.create_user()
        response = api("PATCH", f"/users/{user['id']}", json={"email": "ADA@example.com", "name": "Ada"})
        is_error(response, 409, "email_already_exists")
        assert api("GET", f"/users/{user['id']}").json == user

    def test_invalid_email(self, api, is_error):
        user = api.create_user()
        response = api("PATCH", f"/users/{user['id']}", json={"email": "nobody"})
        assert is_error(response, 422, "invalid_email") == {"email": "Please enter a valid email address"}

    def test_what_only_the_service_sets(self, api, is_error):
        user = api.create_user()
        response = api("PATCH", f"/users/{user['id']}", json={"id": "usr_1", "created_at": "2024-01-22"})
        assert set(is_error(response, 422, "validation_error")) == {"id", "created_at"}

    @pytest.mark.parametrize("user_id", [UNKNOWN_ID, "nobody"])
    @pytest.mark.parametrize("body", [{}, {"name": "Nobody"}])
    def test_unknown_user(self, api, is_error, user_id, body):
        is_error(api("PATCH", f"/users/{user_id}", json=body), 404, "user_not_found")


class TestDelete:
    def test_deletes_once(self, api, is_error):
        user = api.create_user()
        response = api("DELETE", f"/users/{user['id']}")
        assert (response.status_code, response.data) == (204, b"")
        is_error(api("GET", f"/users/{user['id']}"), 404, "user_not_found")
        is_error(api("DELETE", f"/users/{user['id']}"), 404, "user_not_found")

    def test_malformed_id(self, api, is_error):
        is_error(api("DELETE", "/users/nobody"), 404, "user_not_found")
