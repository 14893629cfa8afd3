"""Passwords: which are good enough, and how they are kept."""

from argon2 import PasswordHasher
from marshmallow import ValidationError
from marshmallow.validate import Validator

# OWASP's second choice for Argon2id: 19 MiB for each hash, so that fifty at once do not exhaust the memory.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

#: The most common passwords that would satisfy the other rules.
COMMON_PASSWORDS = frozenset(
    {
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "abcdefg12345",
        "admin1234567",
        "asdfgh123456",
        "baseball1234",
        "changeme1234",
        "dragon123456",
        "football1234",
        "iloveyou1234",
        "letmein12345",
        "monkey123456",
        "passw0rd1234",
        "password1234",
        "password12345",
        "password123456",
        "q1w2e3r4t5y6",
        "qwerty123456",
        "qwertyuiop123",
        "sunshine1234",
        "welcome12345",
        "zxcvbnm12345",
    }
)


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, salt and parameters included."""
    return _hasher.hash(password)


class PasswordPolicy(Validator):
    """12 to 128 characters with letters and digits, none of the most common ones. Says all that is wrong at once."""

    #: A field with this validator fails with this code, if no other field fails with another.
    error_code = "invalid_password"

    def __call__(self, value: str) -> str:
        faults = []
        if not 12 <= len(value) <= 128:
            faults.append("Password must have 12 to 128 characters.")
        if not any(map(str.isalpha, value)) or not any(map(str.isdigit, value)):
            faults.append("Password must have letters and digits.")
        if value.lower() in COMMON_PASSWORDS:
            faults.append("Password is one of the most common ones.")
        if faults:
            raise ValidationError(faults)
        return value
