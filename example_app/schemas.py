"""What the resources' schemas share, and the two ways input comes in: a JSON body and a query string.

A schema's ValidationError is left to propagate: the extension answers it with 422 and one text per field.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

from flask import request
from marshmallow import Schema, fields, validate

from flask_apierrors import abort

MAX_PER_PAGE = 100


class Text(fields.String):
    """One line of text that every database can store and every JSON encoder can write."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own way of declaring messages
        "control_character": "Must not contain control characters.",
        "surrogate": "Must be valid Unicode text.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        categories = {unicodedata.category(character) for character in text}
        if "Cs" in categories:  # JSON can spell half a surrogate pair ("\ud800"), which no encoding can store
            raise self.make_error("surrogate")
        if "Cc" in categories:  # NUL among them, which PostgreSQL refuses
            raise self.make_error("control_character")
        return text


class PageSchema(Schema):
    """``?page=`` and ``?per_page=``."""

    # The upper limit keeps the OFFSET within 64 bits.
    page = fields.Integer(load_default=1, validate=validate.Range(min=1, max=1_000_000))
    per_page = fields.Integer(load_default=20, validate=validate.Range(min=1, max=MAX_PER_PAGE))


def load_body(schema: Schema) -> dict[str, Any]:
    """Return the request's JSON object, validated by `schema`."""
    body = request.get_json()
    if not isinstance(body, dict):
        abort("invalid_request", "Request body must be a JSON object")
    return _load(schema, body)


def load_query(schema: Schema) -> dict[str, Any]:
    """Return the query string's parameters, validated by `schema`; one given twice counts as invalid."""
    return _load(schema, {name: values[0] if len(values) == 1 else values for name, values in request.args.lists()})


def _load(schema: Schema, data: Mapping[str, Any]) -> dict[str, Any]:
    loaded: dict[str, Any] = schema.load(data)
    return loaded
