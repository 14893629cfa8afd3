"""What a user looks like from outside."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from ..schemas import Text
from .passwords import PasswordPolicy

MAX_EMAIL_LENGTH = 254  # RFC 5321, section 4.5.3.1.3, less the two angle brackets


class EmailAddress(Text):
    """An email address in the one spelling that is stored, so that two that differ in case meet in the database."""

    default_error_messages = {"invalid": "Please enter a valid email address"}  # noqa: RUF012 - as in marshmallow

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        address = unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs).strip()).lower()
        # Here and not in a validator: those all run, and a pattern should not meet a megabyte.
        if len(address) > MAX_EMAIL_LENGTH:
            raise self.make_error("invalid")
        return address


class UserSchema(Schema):
    """A user, in both directions; with ``partial=True`` a change of one."""

    id = fields.String(dump_only=True)
    email = EmailAddress(
        required=True,
        validate=validate.Email(error="Please enter a valid email address"),
        error_messages={"required": "Email is required"},
        # Where only the address is wrong, the error is this code instead of validation_error.
        metadata={"error_code": "invalid_email"},
    )
    name = Text(
        required=True,
        validate=[validate.Length(max=100), validate.Regexp(r"\s*\S", error="Name is required")],
        error_messages={"required": "Name is required"},
    )
    password = Text(
        required=True,
        load_only=True,
        validate=PasswordPolicy(),
        error_messages={"required": "Password is required"},
    )
    created_at = fields.DateTime(dump_only=True)
    updated_at = fields.DateTime(dump_only=True)
