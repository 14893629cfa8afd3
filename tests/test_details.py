"""Field paths and codes that fields declare, through real schemas."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, request
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from flask_apierrors import abort

Envelope = Callable[..., SimpleNamespace]
MakeApp = Callable[..., Flask]


class Policy(validate.Length):
    error_code = "invalid_password"


class Address(Schema):
    street = fields.String(required=True)
    email = fields.Email(metadata={"error_code": "invalid_email"})


class User(Schema):
    email = fields.Email(required=True, data_key="e-mail", metadata={"error_code": "invalid_email"})
    password = fields.String(validate=[validate.Length(max=9), Policy(min=8)])
    name = fields.String(validate=validate.Length(min=1))
    address = fields.Nested(Address)
    addresses = fields.List(fields.Nested(Address))
    others = fields.Nested(Address, many=True)
    emails = fields.List(fields.Email(metadata={"error_code": "invalid_email"}))
    numbers = fields.Dict(keys=fields.String(), values=fields.Integer())
    colour = fields.String(validate=validate.OneOf(["red"]), metadata={"error_code": "no_such_code"})
    taken = fields.String(data_key="email")

    @validates_schema
    def check(self, data: dict[str, Any], **extra: Any) -> None:
        if data.get("name") == "both":
            raise ValidationError("Does not fit together.")
        if data.get("name") == "nested":
            raise ValidationError({"address": "text", "e-mail": {"deep": ["nested"]}})


@pytest.fixture
def load(make_app: MakeApp, envelope: Envelope) -> Callable[..., SimpleNamespace]:
    """Post a body to a schema; return the checked envelope."""

    def post(body: Any, code: str = "validation_error", **options: Any) -> SimpleNamespace:
        app = make_app(lambda: User(**options).load(request.get_json()))
        return envelope(app.test_client().post("/", json=body), 422, code)

    return post


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"e-mail": "a@b.example", "address": {}}, {"address.street": "Missing data for required field."}),
        (
            {"e-mail": "a@b.example", "addresses": [{"street": "x"}, {"street": 3}]},
            {"addresses.1.street": "Not a valid string."},
        ),
        (
            {"e-mail": "a@b.example", "numbers": {"a.b": "x", "c\\d": "x"}},
            {"numbers.a\\.b.value": "Not a valid integer.", "numbers.c\\\\d.value": "Not a valid integer."},
        ),
        ({"e-mail": "a@b.example", "name": "both"}, {"_schema": "Does not fit together."}),
        ({"e-mail": "a@b.example", "name": "nested"}, {"address": "text", "e-mail.deep": "nested"}),
        ([], {"_schema": "Invalid input type."}),
    ],
)
def test_the_paths_of_a_schemas_errors(load: Callable[..., SimpleNamespace], body: Any, details: Any) -> None:
    error = load(body)
    assert error.body["details"] == details
    assert error.line["details"] == [{"path": path, "message": text} for path, text in details.items()]


def test_items_of_a_collection_have_their_index(load: Callable[..., SimpleNamespace]) -> None:
    error = load([{"e-mail": "a@b.example"}, {"e-mail": "a@b.example", "name": ""}], many=True)
    assert error.body["details"] == {"1.name": "Shorter than minimum length 1."}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"e-mail": "x"}, "invalid_email"),
        ({}, "invalid_email"),
        ({"e-mail": "a@b.example", "password": "x"}, "invalid_password"),
        ({"e-mail": "a@b.example", "address": {"street": "x", "email": "x"}}, "invalid_email"),
        ({"e-mail": "x", "addresses": [{"street": "x", "email": "x"}]}, "invalid_email"),
        ({"e-mail": "x", "others": [{"street": "x", "email": "x"}]}, "invalid_email"),
        ({"e-mail": "x", "emails": ["a@b.example", "x"]}, "invalid_email"),
        ({"e-mail": "x", "password": "x"}, "validation_error"),
        ({"e-mail": "x", "name": ""}, "validation_error"),
        ({"e-mail": "x", "others": "none"}, "validation_error"),
        ({"e-mail": "x", "unknown": 1}, "validation_error"),
        ({"e-mail": "x", "email": 3}, "validation_error"),
        ({"e-mail": "a@b.example", "address": 3}, "validation_error"),
    ],
)
def test_a_code_that_every_failing_field_declares(load: Callable[..., SimpleNamespace], body: Any, code: str) -> None:
    load(body, code)


def test_a_declared_code_that_is_not_in_the_catalogue_is_told_to_the_log(load: Callable[..., SimpleNamespace]) -> None:
    error = load({"e-mail": "a@b.example", "colour": "blue"})
    assert error.line["faults"] == ["error_code: 'no_such_code', declared by a field, is not in the catalogue"]


def test_a_field_of_ones_own_that_cannot_be_asked_costs_only_its_code(make_app: MakeApp, envelope: Envelope) -> None:
    class Odd(fields.String):
        @property
        def metadata(self) -> Any:
            raise RuntimeError("no metadata")

        @metadata.setter
        def metadata(self, value: Any) -> None:
            pass

    class OddSchema(Schema):
        odd = Odd(required=True)

    app = make_app(lambda: OddSchema().load({}))
    error = envelope(app.test_client().get("/"), 422, "validation_error")
    assert error.body["details"] == {"odd": "Missing data for required field."}
    assert error.line["faults"][0].startswith("error_code: RuntimeError")


@pytest.mark.parametrize(
    ("details", "flat"),
    [
        ("a text", {"_schema": "a text"}),
        (["one", "two"], {"_schema": "one two"}),
        ({"a": ["one", "two"]}, {"a": "one two"}),
        ({"a": [{"b": "one"}, ["two", "three"]]}, {"a.0.b": "one", "a.1": "two three"}),
        ({"a": ("one",), 3: b"bytes"}, {"a": "one", "3": "bytes"}),
        ({"a.b": "x", "a": {"b": "y"}, "a\\.b": "z"}, {"a\\.b": "x", "a.b": "y", "a\\\\\\.b": "z"}),
        ({"": "top", "a": {"": "below"}}, {"\\": "top", "a.": "below"}),
        ({chr(0xD800): "x", "\ufffd": "y"}, {"\\ud800": "x", "\ufffd": "y"}),
        ({"a": None}, None),
        ({}, None),
        (42, {"_schema": "42"}),
    ],
)
def test_the_details_given_to_abort(make_app: MakeApp, envelope: Envelope, details: Any, flat: Any) -> None:
    app = make_app(lambda: abort("validation_error", details=details))
    assert envelope(app.test_client().get("/"), 422, "validation_error").body.get("details") == flat


def test_texts_and_paths_are_bounded(make_app: MakeApp, envelope: Envelope) -> None:
    errors = {"a": ["x" * 50, "y"], "k" * 50 + "1": "z", "k" * 50 + "2": "z"}
    app = make_app(lambda: abort("validation_error", "d" * 50, details=errors), APIERRORS_MAX_TEXT=20)
    body = envelope(app.test_client().get("/"), 422, "validation_error").body
    assert body["error_description"] == "d" * 19 + "…"
    assert len(body["details"]) == 3, "paths that differ only in what is cut stay apart"
    assert all(len(path) <= 20 + 17 and len(text) <= 20 for path, text in body["details"].items())


def wide(depth: int) -> Any:
    """2 ** depth leaves, by sharing, in the space of `depth` lists."""
    result: Any = {"a": "x"}
    for _ in range(depth):
        result = {"l": result, "r": result}
    return result


@pytest.mark.parametrize("shape", [lambda: wide(30), lambda: ["x"] * 200_000, lambda: {"a": [["x"]] * 200_000}])
def test_work_is_bounded_and_what_is_left_out_is_said(make_app: MakeApp, envelope: Envelope, shape: Any) -> None:
    app = make_app(lambda: abort("validation_error", details=shape()))
    body = envelope(app.test_client().get("/"), 422, "validation_error").body
    assert "were left out." in body["details"]["_schema"] or "was left out." in body["details"]["_schema"]


def test_one_more_is_said_in_the_singular(make_app: MakeApp, envelope: Envelope) -> None:
    app = make_app(lambda: abort("conflict", details={"_schema": "a", "b": "c", "d": "e"}), APIERRORS_MAX_DETAILS=2)
    body = envelope(app.test_client().get("/"), 409, "conflict").body
    assert body["details"] == {"_schema": "a 1 more error was left out.", "b": "c"}
