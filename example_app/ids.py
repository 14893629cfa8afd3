"""Public identifiers: a prefix that names the resource, and 32 random hex digits."""

import re
import uuid


def new_id(prefix: str) -> str:
    """Return a new identifier, e.g. ``usr_9f1c...``."""
    return f"{prefix}_{uuid.uuid4().hex}"


def is_id(prefix: str, value: str) -> bool:
    """Tell whether `value` could be an identifier of that resource.

    Asked before the database is: PostgreSQL refuses a NUL byte in a parameter with an error of its own.
    """
    return re.fullmatch(rf"{prefix}_[0-9a-f]{{32}}", value) is not None
