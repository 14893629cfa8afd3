"""What an error code means: one entry per code, and the immutable mapping of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

LEVELS = ("debug", "info", "warning", "error", "critical")

#: The codes that the extension itself answers with; a catalogue without them is refused.
REQUIRED_CODES = ("internal_error", "invalid_request", "invalid_json", "validation_error")

_CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# The characters that RFC 6749 section 5.2 allows in error_description.
_DESCRIPTION = re.compile(r"[\x20\x21\x23-\x5B\x5D-\x7E]+")


def default_level(status: int) -> str:
    """The level an error is logged at unless its entry or the configuration says otherwise."""
    if status >= 500:
        return "error"
    return "warning" if status in (401, 403, 429) else "info"


def is_error_status(value: object) -> bool:
    """Whether a value is a whole number from 400 to 599."""
    return isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599


class UnknownErrorCode(LookupError):
    """An error code that the catalogue does not have."""

    #: The code that was asked for.
    code: str
    #: The known codes that look most like it, best first.
    nearest: tuple[str, ...]

    def __init__(self, code: object, known: Iterable[str] = ()) -> None:
        self.code = code if isinstance(code, str) else repr(code)
        self.nearest = nearest(self.code, known)
        hint = f"did you mean {' or '.join(map(repr, self.nearest))}?" if self.nearest else "register it first."
        super().__init__(f"{self.code!r} is not a known error code; {hint}")

    def __reduce__(self) -> tuple[type[UnknownErrorCode], tuple[str, tuple[str, ...]]]:
        return type(self), (self.code, self.nearest)


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The up to three known names that look most like `name`, best first."""
    return tuple(get_close_matches(name[:100], list(known), n=3))


@dataclass(frozen=True)
class ErrorCode:
    """One entry of the catalogue.

    Raises:
        ValueError: a part is malformed; the message says which, and what is accepted.
    """

    #: The machine-readable name: lower-case words joined with underscores.
    code: str
    #: The HTTP status, 400 to 599.
    status: int
    #: The default `error_description`; only characters that RFC 6749 section 5.2 allows.
    description: str
    #: One line for tables and for the `title` of problem details; the description where it is not given.
    summary: str = ""
    #: The heading under which reference tables list the code.
    category: str = "Application"
    #: Whether the same request may succeed later. Where it is not given: 408, 425, 429, 502, 503 and 504 may.
    retryable: bool | None = None
    #: The level its events are logged at; by status where it is not given.
    log_level: str = ""
    #: What a program may show its end user.
    user_message: str = "An error occurred. Please try again later."

    def __post_init__(self) -> None:
        if not isinstance(self.code, str) or not _CODE.fullmatch(self.code) or len(self.code) > 100:
            raise ValueError(
                f"error code {self.code!r}: a code is lower-case words joined with underscores, "
                "such as 'user_not_found', of 100 characters at most"
            )
        if not is_error_status(self.status):
            raise ValueError(f"error code {self.code!r}: status {self.status!r} is not a whole number from 400 to 599")
        if not isinstance(self.description, str) or not _DESCRIPTION.fullmatch(self.description):
            raise ValueError(
                f"error code {self.code!r}: description {self.description!r} must be printable ASCII text "
                "without double quote and backslash (RFC 6749 section 5.2)"
            )
        for name in ("summary", "category", "user_message"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ValueError(f"error code {self.code!r}: {name} {value!r} is not text")
        if self.retryable not in (True, False, None):
            raise ValueError(f"error code {self.code!r}: retryable {self.retryable!r} is not True, False or None")
        if self.log_level not in ("", *LEVELS):
            raise ValueError(
                f"error code {self.code!r}: log_level {self.log_level!r} is not one of {', '.join(LEVELS)}"
            )
        # A frozen dataclass fills its derived defaults this way.
        object.__setattr__(self, "status", int(self.status))
        if not self.summary:
            object.__setattr__(self, "summary", self.description)
        if self.retryable is None:
            object.__setattr__(self, "retryable", self.status in (408, 425, 429, 502, 503, 504))
        if not self.log_level:
            object.__setattr__(self, "log_level", default_level(self.status))


class Catalog(Mapping[str, ErrorCode]):
    """An immutable mapping of codes to their entries, in the order they were given.

    For a bare status, as in `abort(404)`, its first entry stands; the `REQUIRED_CODES` stand before all others.

    Raises:
        ValueError: two entries have one code, or one of `REQUIRED_CODES` is missing.
    """

    __slots__ = ("_by_status", "_entries")

    def __init__(self, entries: Iterable[ErrorCode]) -> None:
        by_code: dict[str, ErrorCode] = {}
        for entry in entries:
            if not isinstance(entry, ErrorCode):
                raise ValueError(f"a catalogue holds ErrorCode entries, not {entry!r}")
            if entry.code in by_code:
                raise ValueError(f"error code {entry.code!r} is in the catalogue already")
            by_code[entry.code] = entry
        missing = [code for code in REQUIRED_CODES if code not in by_code]
        if missing:
            raise ValueError(
                f"the catalogue lacks {', '.join(missing)}, which the extension itself answers with; "
                "start from flask_apierrors.DEFAULT_CATALOG and add to it with .add()"
            )
        self._entries = by_code
        self._by_status: dict[int, ErrorCode] = {}
        for entry in (*(by_code[code] for code in REQUIRED_CODES), *by_code.values()):
            self._by_status.setdefault(entry.status, entry)

    def __getitem__(self, code: str) -> ErrorCode:
        try:
            return self._entries[code]
        except (KeyError, TypeError):
            raise KeyError(code) from None

    def get(self, code: object, default: Any = None) -> Any:
        """The entry of a code, or the default."""
        try:
            return self._entries.get(code, default)  # type: ignore[call-overload]  # any key may be asked for
        except TypeError:  # not hashable
            return default

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self)} error codes>"

    def add(self, *entries: ErrorCode) -> Catalog:
        """A new catalogue with these entries behind the present ones.

        Raises:
            ValueError: a code is in the catalogue already.
        """
        return Catalog((*self._entries.values(), *entries))

    def find(self, error: str | int) -> ErrorCode:
        """The entry of a code, or the one that stands for an HTTP status.

        A status from 400 to 599 without an entry gets one made for it, named `http_` and the number.

        Raises:
            UnknownErrorCode: no such code, or not a status of an error.
        """
        if isinstance(error, str):
            entry = self._entries.get(error)
            if entry is None:
                raise UnknownErrorCode(error, self._entries)
            return entry
        return self.for_status(error)

    def for_status(self, status: int) -> ErrorCode:
        """The entry that stands for an HTTP status from 400 to 599.

        Raises:
            UnknownErrorCode: not a status of an error.
        """
        try:
            return self._by_status[status]
        except (KeyError, TypeError):
            pass
        if not is_error_status(status):
            raise UnknownErrorCode(status)
        kind = "Server error" if status >= 500 else "Client error"
        return ErrorCode(f"http_{status}", status, kind, category="HTTP")
