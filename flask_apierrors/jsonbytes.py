"""JSON-ready data as bytes: with orjson where the extra `fast` is installed, else with the standard library."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ImportError:
    _encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

    def dumps(value: Any) -> bytes:
        """Encode.

        Raises:
            TypeError, ValueError: the value is not JSON-ready (see `text.plain`).
        """
        return _encode(value).encode()

else:
    dumps = orjson.dumps  # type: ignore[assignment]  # takes more than is asked of it
