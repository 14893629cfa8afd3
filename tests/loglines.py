"""Log lines and bodies as JSON, read strictly."""

import io
import json
from typing import Any


def _refuse(token: str) -> None:
    raise AssertionError(f"{token} is not JSON")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    assert len(result) == len(pairs), f"a key comes twice: {pairs}"
    return result


def strict_json(data: bytes) -> Any:
    """UTF-8 JSON as RFC 8259 has it: no NaN, no Infinity, no key twice, no lone surrogate."""
    value = json.loads(data.decode(), parse_constant=_refuse, object_pairs_hook=_each_key_once)
    json.dumps(value, ensure_ascii=False).encode()
    return value


class Lines:
    """The log as it was written: every line must be one JSON object."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()

    def all(self) -> list[dict[str, Any]]:
        *lines, rest = self.stream.getvalue().split(b"\n")
        assert rest == b"", "the last line is not complete"
        parsed = [strict_json(line) for line in lines]
        assert all(isinstance(line, dict) for line in parsed)
        return parsed

    def errors(self) -> list[dict[str, Any]]:
        return [line for line in self.all() if line["event"] == "api_error"]
