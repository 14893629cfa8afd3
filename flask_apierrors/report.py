"""Converting: any exception becomes a frozen report, whatever the exception does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from marshmallow import Schema, ValidationError
from werkzeug.datastructures import iter_multi_items
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
Target = str | Callable[[Any], object]
Pairs = tuple[tuple[str, str], ...]

_MAX_SECONDS = 2**31 - 1
_NO_CONTEXT: Mapping[str, Any] = MappingProxyType({})


class Report(NamedTuple):
    """One error, as the client is told and the log is told. Immutable; cheaper to make than a frozen dataclass."""

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
    #: Whether the event carries the traceback: of crashes and of mapped exceptions.
    unexpected: bool = False
    #: Field errors: paths with one text each.
    details: tuple[Detail, ...] = ()
    #: When to try again, in whole seconds.
    retry_after: int | None = None
    #: Headers that the exception brings along, repeated ones too.
    headers: Pairs = ()
    #: What only the log may know.
    context: Mapping[str, Any] = _NO_CONTEXT
    #: What went wrong while the exception was converted, for the log.
    faults: tuple[str, ...] = ()

    @property
    def error_code(self) -> str:
        """The code of the catalogue's entry."""
        return self.entry.code


# A report of the tuple of its fields: to call the class costs three times as much.
_report: Callable[[tuple[object, ...]], Report] = partial(tuple.__new__, Report)


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

    def is_mapped(self, exc: Exception) -> bool:
        """Whether a type of this exception is mapped."""
        return any(isinstance(exc, cls) for cls in self.registry.mapped)


def convert(exc: BaseException, rules: Rules) -> Report:
    """The report of an exception: of every `HTTPException`, `ValidationError`, mapped exception, and of a crash."""
    if isinstance(exc, InternalServerError) and exc.original_exception is not None:
        return crash_report(exc.original_exception, rules)
    mapped = rules.registry.mapped
    for cls in type(exc).__mro__:
        if cls in mapped:
            return _of_mapped(exc, rules, mapped[cls])
        if cls is APIError:
            return _of_api_error(exc, exc, rules)  # type: ignore[arg-type]  # cls says that it is one
        if cls is HTTPException:
            return _of_http_exception(exc, rules)  # type: ignore[arg-type]  # cls says that it is one
        if cls is ValidationError:
            return _of_validation_error(exc, rules)  # type: ignore[arg-type]  # cls says that it is one
        if cls is RecursionError and is_deep_json(exc):
            entry = rules.registry.catalog["invalid_json"]
            return Report(entry, entry.status, entry.description, _level(entry, entry.status, rules), exc)
    return crash_report(exc, rules)


def crash_report(exc: BaseException, rules: Rules, *faults: str) -> Report:
    """The report of an exception that nobody expected; whatever it says stays in the log (RFC 9457 section 5)."""
    entry = rules.registry.catalog["internal_error"]
    level = _level(entry, entry.status, rules)
    return _report((entry, entry.status, entry.description, level, exc, True, (), None, (), _NO_CONTEXT, faults))


def _of_mapped(exc: BaseException, rules: Rules, target: Target) -> Report:
    if isinstance(target, str):
        entry = rules.registry.catalog[target]
        level = _level(entry, entry.status, rules)
        return Report(entry, entry.status, entry.description, level, exc, unexpected=True)
    try:
        error = target(exc)
    except Exception as fault:
        return crash_report(exc, rules, fault_name("mapping", fault))
    if isinstance(error, APIError):
        return _of_api_error(error, exc, rules, unexpected=True)
    return crash_report(exc, rules, f"mapping: returned {type_name(error)}, not an APIError")


def _of_api_error(error: APIError, exc: BaseException, rules: Rules, *, unexpected: bool = False) -> Report:
    faults: list[str] = []
    entry, status = _entry_of(error, rules.registry.catalog, faults)
    description, details, retry_after, seconds = error.description, error.details, error.retry_after, None
    if description is None:
        description = entry.description
    elif description is not entry.description:
        description = text(description, rules.settings.max_text)
    headers = () if error.headers is APIError.headers else _headers(lambda: error.headers, faults)
    if retry_after is not None:
        seconds = _attempt(faults, "retry_after", _seconds, None, retry_after)
    elif headers:
        seconds = _retry_after_of(headers)
    flat = () if details is None else _flat(details, rules, faults)
    level = _level(entry, status, rules)
    context = error.context
    return _report((entry, status, description, level, exc, unexpected, flat, seconds, headers, context, tuple(faults)))


def _entry_of(error: APIError, catalog: Catalog, faults: list[str]) -> tuple[ErrorCode, int]:
    """The entry and the status of an APIError, whose attributes may have been written over, or never set."""
    code, status = error.error_code, error.code
    entry = catalog.get(code) if isinstance(code, str) else None
    if entry is None:
        if code:
            faults.append(f"error_code: {text(code, 100)!r} is not in the catalogue")
        if code or not is_error_status(status):
            entry = catalog["internal_error"]
            return entry, entry.status
        entry = catalog.for_status(status)  # type: ignore[arg-type]  # an int
    if status != entry.status and is_error_status(status):
        return entry, status  # type: ignore[return-value]  # an int
    return entry, entry.status


def _of_http_exception(exc: HTTPException, rules: Rules) -> Report:
    code = exc.code
    if not is_error_status(code):
        return crash_report(exc, rules, f"code: {text(code, 100)} is not the status of an error")
    faults: list[str] = []
    entry = rules.registry.catalog.for_status(code)  # type: ignore[arg-type]  # an int
    description = entry.description
    # The base class knows of no header but the content type of its page.
    headers = () if type(exc).get_headers is HTTPException.get_headers else _headers(exc.get_headers, faults)
    # A description on the instance was given by the application, unless Werkzeug put it there to quote the input. The
    # class's own text gives way to the catalogue's.
    if "description" in vars(exc) and not isinstance(exc, (BadRequestKeyError, SecurityError)):
        if not _left_json_loading(exc):
            description = text(exc.description, rules.settings.max_text)
        elif isinstance(exc, BadRequest):
            entry = rules.registry.catalog["invalid_json"]
            description = entry.description
    elif isinstance(exc, BadRequest) and _left_json_loading(exc):
        entry = rules.registry.catalog["invalid_json"]
        description = entry.description
    status = int(code)  # type: ignore[arg-type]  # an int
    level = _level(entry, status, rules)
    seconds = _retry_after_of(headers)
    return _report((entry, status, description, level, exc, False, (), seconds, headers, _NO_CONTEXT, tuple(faults)))


def _of_validation_error(exc: ValidationError, rules: Rules) -> Report:
    faults: list[str] = []
    errors: object = _attempt(faults, "messages", exc.normalized_messages, {})
    code = _code_by_schema(exc, errors, faults)
    catalog = rules.registry.catalog
    entry = catalog["validation_error"]
    if code is not None:
        if code in catalog:
            entry = catalog[code]
        else:
            faults.append(f"error_code: {text(code, 100)!r}, declared by a field, is not in the catalogue")
    details = _flat(errors, rules, faults)
    level = _level(entry, entry.status, rules)
    return _report(
        (entry, entry.status, entry.description, level, exc, False, details, None, (), _NO_CONTEXT, tuple(faults))
    )


def _attempt(faults: list[str], part: str, read: Callable[..., T], default: T, *args: object) -> T:
    """What `read` returns. Where it raises: the default, and the log is told; the rest of the report stands."""
    try:
        return read(*args)
    except Exception as fault:
        faults.append(fault_name(part, fault))
        return default


def _level(entry: ErrorCode, status: int, rules: Rules) -> str:
    levels = rules.settings.log_levels
    if levels:
        for key in (entry.code, status, f"{status // 100}xx"):
            if key in levels:
                return levels[key]
    return entry.log_level


def _flat(errors: object, rules: Rules, faults: list[str]) -> tuple[Detail, ...]:
    try:
        return flatten(errors, rules.settings.max_details, rules.settings.max_text)
    except Exception as fault:
        faults.append(fault_name("details", fault))
        return ()


def _headers(read: Callable[[], Any], faults: list[str]) -> Pairs:
    def take_apart() -> Pairs:
        headers = read()
        pairs = iter_multi_items(headers) if isinstance(headers, Mapping) else headers
        return tuple([(text(name, 200), text(value)) for name, value in pairs])

    nothing: Pairs = ()
    return _attempt(faults, "headers", take_apart, nothing)


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


def is_deep_json(exc: BaseException) -> bool:
    """Whether a RecursionError came out of reading the body as JSON: nested too deep for the parser."""
    traceback = exc.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code is Request.get_json.__code__:
            return True
        traceback = traceback.tb_next
    return False


def _code_by_schema(exc: ValidationError, errors: object, faults: list[str]) -> str | None:
    """The code that the fields of the schema behind a ValidationError declare.

    marshmallow's exception does not know its schema; the frame of `Schema.load` that it left does.
    """
    traceback, load = exc.__traceback__, Schema.load.__code__
    try:
        while traceback is not None:
            frame = traceback.tb_frame
            if frame.f_code is load:
                return declared_code(errors, frame.f_locals["self"])
            traceback = traceback.tb_next
    except Exception as fault:  # of a field or validator of the application's own
        faults.append(fault_name("error_code", fault))
    return None
