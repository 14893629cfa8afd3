"""Converting: any exception becomes a frozen report, whatever the exception does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from marshmallow import Schema, ValidationError
from werkzeug.exceptions import BadRequest, BadRequestKeyError, HTTPException, InternalServerError, SecurityError
from werkzeug.wrappers import Request

from flask_apierrors.catalog import Catalog, ErrorCode, is_error_status
from flask_apierrors.details import Detail, declared_code, flatten
from flask_apierrors.errors import APIError
from flask_apierrors.text import fault_name, text, type_name

if TYPE_CHECKING:
    from flask_apierrors.settings import Settings

T = TypeVar("T")

#: What an exception type is mapped to: a code, or a function from the exception to an APIError.
Target = str | Callable[[Any], APIError]

Pairs = tuple[tuple[str, str], ...]

_MAX_SECONDS = 2**31 - 1


@dataclass(frozen=True)
class Report:
    """One error, as the client is told and the log is told."""

    #: The catalogue's entry.
    entry: ErrorCode
    #: The HTTP status; the entry's, unless an exception class sets another.
    status: int
    #: What `error_description` says.
    description: str
    #: The level of the event.
    level: str
    #: The exception that was converted.
    exception: BaseException
    #: Field errors: paths with one text each.
    details: tuple[Detail, ...] = ()
    #: When to try again, in whole seconds.
    retry_after: int | None = None
    #: Headers that the exception brings along, repeated ones too.
    headers: Pairs = ()
    #: What only the log may know.
    context: Mapping[str, Any] = field(default_factory=dict)
    #: Whether the event carries the traceback: of crashes and of mapped exceptions.
    unexpected: bool = False
    #: What went wrong while the exception was converted, for the log.
    faults: tuple[str, ...] = ()

    @property
    def error_code(self) -> str:
        """The code of the catalogue's entry."""
        return self.entry.code


class Registry:
    """What was registered on an extension: its catalogue and its mappings, the same for all of its apps."""

    __slots__ = ("catalog", "mapped")

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.mapped: dict[type[Exception], Target] = {}


@dataclass(frozen=True)
class Rules:
    """What handling depends on besides the error: what was registered, and what the app's config says."""

    registry: Registry
    settings: Settings

    @property
    def catalog(self) -> Catalog:
        """The catalogue as it is now."""
        return self.registry.catalog

    def is_mapped(self, exc: Exception) -> bool:
        """Whether a type of this exception is mapped."""
        return any(isinstance(exc, cls) for cls in self.registry.mapped)


def convert(exc: BaseException, rules: Rules) -> Report:
    """The report of an exception: of every `HTTPException`, `ValidationError`, mapped exception, and of a crash."""
    if isinstance(exc, InternalServerError) and exc.original_exception is not None:
        return crash_report(exc.original_exception, rules)
    if isinstance(exc, RecursionError) and is_deep_json(exc):
        return _Converter(exc, rules).coded("invalid_json")
    mapped = rules.registry.mapped
    for cls in type(exc).__mro__:
        target = mapped.get(cls)
        if target is not None:
            return _Converter(exc, rules).mapped(target)
        if cls is APIError:
            return _Converter(exc, rules).api_error(exc)  # type: ignore[arg-type]  # cls says that it is one
        if cls is HTTPException:
            return _Converter(exc, rules).http(exc)  # type: ignore[arg-type]  # cls says that it is one
        if cls is ValidationError:
            return _Converter(exc, rules).validation(exc)  # type: ignore[arg-type]  # cls says that it is one
    return crash_report(exc, rules)


def crash_report(exc: BaseException, rules: Rules, *faults: str) -> Report:
    """The report of an exception that says nothing about it."""
    converter = _Converter(exc, rules)
    converter.faults += faults
    return converter.crash()


class _Converter:
    """Takes one exception apart; what a part does wrong costs that part, never the report."""

    __slots__ = ("exc", "faults", "rules")

    def __init__(self, exc: BaseException, rules: Rules) -> None:
        self.exc = exc
        self.rules = rules
        self.faults: list[str] = []

    def attempt(self, part: str, read: Callable[..., T], default: T, *args: object) -> T:
        """What `read` returns; where it raises, the default, and the log is told."""
        try:
            return read(*args)
        except Exception as fault:
            self.faults.append(fault_name(part, fault))
            return default

    def report(self, entry: ErrorCode, **parts: Any) -> Report:
        status = parts.pop("status", entry.status)
        description = parts.pop("description", entry.description)
        return Report(
            entry=entry,
            status=status,
            description=description,
            level=self.level(entry, status),
            exception=self.exc,
            faults=tuple(self.faults),
            **parts,
        )

    def level(self, entry: ErrorCode, status: int) -> str:
        levels = self.rules.settings.log_levels
        if not levels:
            return entry.log_level
        for key in (entry.code, status, f"{status // 100}xx"):
            if key in levels:
                return levels[key]
        return entry.log_level

    def coded(self, code: str) -> Report:
        """A report that says nothing but its code."""
        return self.report(self.rules.catalog[code])

    def crash(self) -> Report:
        # Whatever the exception says stays in the log: RFC 9457 section 5.
        return self.report(self.rules.catalog["internal_error"], unexpected=True)

    def mapped(self, target: Target) -> Report:
        if isinstance(target, str):
            return self.report(self.rules.catalog.find(target), unexpected=True)
        error = self.attempt("mapping", target, None, self.exc)
        if not isinstance(error, APIError):
            if not self.faults:
                self.faults.append(f"mapping: returned {type_name(error)}, not an APIError")
            return self.crash()
        return self.api_error(error, unexpected=True)

    def api_error(self, error: APIError, *, unexpected: bool = False) -> Report:
        code = error.error_code
        entry = self.rules.catalog.get(code) if isinstance(code, str) else None
        status = error.code if is_error_status(error.code) else None
        if entry is None:
            # A subclass that never called __init__, or an attribute that was written over.
            if code:
                self.faults.append(f"error_code: {text(code, 100)!r} is not in the catalogue")
            entry = self.rules.catalog["internal_error"] if code or status is None else self.rules.catalog.find(status)
        limit = self.rules.settings.max_text
        details = error.details
        retry_after = error.retry_after
        pairs = self.pairs(lambda: error.headers) if error.headers else ()
        seconds = None if retry_after is None else self.attempt("retry_after", _seconds, None, retry_after)
        context: Mapping[str, Any] = {}
        if error.context:
            context = self.attempt("context", _context, context, error.context)
        if error.__cause__ is not None:
            context = {**context, "cause": type_name(error.__cause__)}
        return self.report(
            entry,
            status=status if status is not None else entry.status,
            description=entry.description if error.description is None else text(error.description, limit),
            details=() if details is None else self.flat(details),
            retry_after=_retry_after_of(pairs) if seconds is None else seconds,
            headers=pairs,
            context=context,
            unexpected=unexpected,
        )

    def http(self, exc: HTTPException) -> Report:
        status: object = self.attempt("code", lambda: exc.code, None)
        if not is_error_status(status):
            self.faults.append(f"code: {text(status, 100)} is not a status of an error")
            return self.crash()
        made_by_library = isinstance(exc, (BadRequestKeyError, SecurityError))
        entry = self.rules.catalog.find(status)  # type: ignore[arg-type]  # is_error_status says that it is an int
        if _left_json_loading(exc):
            made_by_library = True
            if isinstance(exc, BadRequest):
                entry = self.rules.catalog["invalid_json"]
        pairs = self.pairs(exc.get_headers)
        description = entry.description
        # A description of the instance was given by the application. What Werkzeug puts there itself quotes input, and
        # the class's own text gives way to the catalogue's.
        if not made_by_library and "description" in vars(exc):
            description = text(exc.description, self.rules.settings.max_text)
        return self.report(
            entry,
            status=int(status),  # type: ignore[call-overload]  # is_error_status says that it is an int
            description=description,
            headers=pairs,
            retry_after=_retry_after_of(pairs),
        )

    def validation(self, exc: ValidationError) -> Report:
        errors: object = self.attempt("messages", exc.normalized_messages, {})
        code = self.attempt("error_code", _code_by_schema, None, exc, errors)
        entry = self.rules.catalog["validation_error"]
        if code is not None:
            declared = self.rules.catalog.get(code)
            if declared is None:
                self.faults.append(f"error_code: {text(code, 100)!r}, declared by a field, is not in the catalogue")
            else:
                entry = declared
        return self.report(entry, details=self.flat(errors))

    def flat(self, errors: object) -> tuple[Detail, ...]:
        settings = self.rules.settings
        nothing: tuple[Detail, ...] = ()
        return self.attempt("details", flatten, nothing, errors, settings.max_details, settings.max_text)

    def pairs(self, read: Callable[[], Any]) -> Pairs:
        def take_apart() -> Pairs:
            headers = read()
            pairs = headers.items() if isinstance(headers, Mapping) else headers
            return tuple((text(name, 200), text(value)) for name, value in pairs)

        nothing: Pairs = ()
        return self.attempt("headers", take_apart, nothing)


def _context(context: Mapping[str, Any]) -> dict[str, Any]:
    return {text(key, 200): value for key, value in context.items()}


def _seconds(value: Any) -> int:
    """Whole seconds from now, rounded up; never below 0.

    Raises:
        TypeError: not a number, timedelta or datetime.
        ValueError, OverflowError: not a finite number.
    """
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=timezone.utc)) - datetime.now(timezone.utc)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("retry_after is a number of seconds, a timedelta or a datetime")
    return max(0, min(math.ceil(value), _MAX_SECONDS))


def _retry_after_of(headers: Pairs) -> int | None:
    """Whole seconds of a Retry-After header, which may be a number or a date (RFC 9110 section 10.2.3)."""
    for name, value in headers:
        if name.lower() == "retry-after":
            try:
                return _seconds(int(value) if value.strip().isdecimal() else parsedate_to_datetime(value))
            except (TypeError, ValueError, OverflowError):
                return None
    return None


_JSON_LOADING = "on_json_loading_failed"


def _left_json_loading(exc: HTTPException) -> bool:
    """Whether an exception came out of `Request.on_json_loading_failed`, Werkzeug's hook for a body that is bad."""
    traceback = exc.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == _JSON_LOADING:
            return True
        traceback = traceback.tb_next
    return False


def is_deep_json(exc: RecursionError) -> bool:
    """Whether a RecursionError came out of reading the body as JSON: nested too deep for the parser."""
    traceback = exc.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code is Request.get_json.__code__:
            return True
        traceback = traceback.tb_next
    return False


def _code_by_schema(exc: ValidationError, errors: object) -> str | None:
    """The code that the fields of the schema behind a ValidationError declare.

    marshmallow's exception does not know its schema; the frame of `Schema.load` that it left does.
    """
    traceback = exc.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code is Schema.load.__code__:
            return declared_code(errors, frame.f_locals["self"])
        traceback = traceback.tb_next
    return None
