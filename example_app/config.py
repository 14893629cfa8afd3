"""Settings: the defaults, then the environment, then what the caller of `create_app` asks for.

====================== ======================================================================================
``DATABASE_URL``       an SQLAlchemy URL; without it the file ``example.sqlite`` in the working directory
``EXAMPLE_SECRET_KEY`` signs the tokens, 32 bytes or more; without it a generated one is kept in the file
                       ``example.secret`` in the working directory
``EXAMPLE_<KEY>``      any other Flask config key, as JSON where it is JSON: ``EXAMPLE_APIERRORS_DEBUG=true``
====================== ======================================================================================
"""

import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

SECRET_FILE = Path("example.secret")
MINIMUM_SECRET_BYTES = 32  # RFC 7518, section 3.2: an HS256 key is as long as its hash or longer


def load(app: Flask, overrides: Mapping[str, Any]) -> None:
    """Fill the app's config.

    Raises:
        ValueError: the secret key is too short.
    """
    app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
    app.config["DATABASE_URL"] = os.environ.get("DATABASE_URL") or "sqlite:///example.sqlite"
    app.config.from_prefixed_env("EXAMPLE")
    # Set after from_prefixed_env, which would read a key of digits as a number.
    app.config["SECRET_KEY"] = overrides.get("SECRET_KEY") or os.environ.get("EXAMPLE_SECRET_KEY") or stored_secret()
    app.config.update(overrides)
    if len(app.config["SECRET_KEY"].encode()) < MINIMUM_SECRET_BYTES:
        raise ValueError(f"EXAMPLE_SECRET_KEY is too short: it must have {MINIMUM_SECRET_BYTES} bytes or more")


def stored_secret(path: Path = SECRET_FILE) -> str:
    """Return the secret kept in `path`, made on first use and readable by its owner only."""
    if not path.exists():
        # Written aside and linked into place: of two workers that start together one wins, and the other never sees
        # an empty file.
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(MINIMUM_SECRET_BYTES))
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    return path.read_text().strip()
