"""Any value as text or as plain data, whatever it does: nothing here raises, nothing is unbounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What stands where something was left out.
CUT = "…"

_MAX_DEPTH = 16
_MAX_ITEMS = 1000
_MAX_TEXT = 8192
_LEAST, _GREATEST = -(2**63), 2**63 - 1  # of 64 bits


def type_name(value: object) -> str:
    """The qualified name of a value's type, as a traceback shows it."""
    try:
        kind = type(value)
        name, module = str(kind.__qualname__), str(kind.__module__)
    except Exception:  # a metaclass may do anything
        return "object"
    return clean(name if module in ("builtins", "__main__") else f"{module}.{name}", 200)


def fault_name(part: str, fault: BaseException) -> str:
    """What failed, how and where, without the text of the exception: that may hold an input value."""
    place, traceback = "", fault.__traceback__
    while traceback is not None:
        place = f" at {traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return f"{part}: {type_name(fault)}{place}"


def clean(value: str, limit: int) -> str:
    """Text of at most `limit` characters that every encoder takes: lone surrogates become U+FFFD."""
    if len(value) > limit:
        value = value[: limit - 1] + CUT
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # UTF-16 joins surrogates that make a pair and finds those that do not.
            value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def text(value: object, limit: int = _MAX_TEXT) -> str:
    """A value's text: of bytes the decoded text, of a lazy string its present one."""
    if type(value) is str:
        return clean(value, limit)
    try:
        if isinstance(value, (bytes, bytearray)):
            return clean(bytes(value[: 4 * limit]).decode("utf-8", "replace"), limit)
        # The inherited method gives an exact str, also where a subclass overrides everything.
        return clean(str.__str__(str(value)), limit)
    except Exception:
        return f"<unprintable {type_name(value)}>"


def plain(value: object) -> Any:
    """A value as JSON-ready data: None, bool, int of 64 bits, finite float, str, and lists and dicts of these."""
    kind = type(value)
    if value is None or kind is bool or (kind is int and _LEAST <= value <= _GREATEST):  # type: ignore[operator]  # an int
        return value
    return _Plain().convert(value, 0)


class _Plain:
    """One conversion, with what is left of its budget."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = _MAX_ITEMS

    def convert(self, value: object, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return clean(value, _MAX_TEXT)  # type: ignore[arg-type]  # kind says that it is a str
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if _LEAST <= value <= _GREATEST else _long_number(value)  # type: ignore[arg-type, operator]
        if kind is float:
            # NaN is the one value that differs from itself.
            return value if value == value and abs(value) != float("inf") else str(value)  # type: ignore[arg-type]
        self.left -= 1
        if depth >= _MAX_DEPTH or self.left < 0:
            return CUT
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, depth)
            if isinstance(value, (list, tuple, set, frozenset)):
                return self._sequence(value, depth)
            if isinstance(value, (str, bytes, bytearray, int, float)):
                return text(value)
            return text(repr(value))
        except Exception:
            return f"<unprintable {type_name(value)}>"

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in value.items():
            if self.left < 0:
                result[CUT] = CUT
                break
            self.left -= 1
            result[text(key, 200)] = self.convert(item, depth + 1)
        return result

    def _sequence(self, value: Any, depth: int) -> list[Any]:
        result = []
        for item in value:
            if self.left < 0:
                result.append(CUT)
                break
            self.left -= 1
            result.append(self.convert(item, depth + 1))
        return result


def _long_number(value: int) -> str:
    # str() of a very long int raises (CVE-2020-10735); its size says enough.
    return str(value) if value.bit_length() <= 256 else f"<int of {value.bit_length()} bits>"
