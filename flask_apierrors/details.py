"""Field errors of any shape as a flat, bounded list of paths with one text each."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from marshmallow.fields import List, Nested

from flask_apierrors.text import CUT, clean, text

#: The path of errors that belong to the whole input.
WHOLE_INPUT = "_schema"

#: One field error: its path and its text.
Detail = tuple[str, str]

_MAX_DEPTH = 32
_MAX_NODES = 100_000
_MAX_KEY = 100_000
# The path of a top-level key without characters: a path that is empty would be that of the whole input.
_EMPTY_KEY = "\\"


def flatten(errors: object, max_details: int, max_text: int) -> tuple[Detail, ...]:
    """Field errors as `(path, text)`, in their order.

    Takes what marshmallow gives and what people write: texts, lists of texts, mappings and lists nested in any way.
    The keys of a path are joined with a dot; a dot or a backslash inside a key is escaped with a backslash, so that two
    different paths never meet. Several texts on one path are joined with a space. What lies beyond `max_details` paths
    is left out, and a text under `_schema` says how much.
    """
    if type(errors) is dict and len(errors) <= max_details:
        simple = _simple(errors, max_text)
        if simple is not None:
            return simple
    flat = _Flat(max_details, max_text)
    flat.add("", errors, 0)
    return flat.result()


def _simple(errors: dict[Any, Any], max_text: int) -> tuple[Detail, ...] | None:
    """What most input errors are: short names with one short text each; None where there is more to be done."""
    details: list[Detail] = []
    for key, item in errors.items():
        message = item[0] if type(item) is list and len(item) == 1 else None
        if not (type(message) is str and message.isascii() and len(message) <= max_text):
            return None
        if not (type(key) is str and key.isidentifier() and len(key) <= max_text):
            return None
        details.append((key, message))
    return tuple(details)


class _Flat:
    """One flattening, with what is left of its budget."""

    __slots__ = ("left", "left_out", "max_details", "max_text", "texts")

    def __init__(self, max_details: int, max_text: int) -> None:
        self.texts: dict[str, str] = {}
        self.left_out = 0
        self.left = _MAX_NODES
        self.max_details = max_details
        self.max_text = max_text

    def add(self, path: str, errors: object, depth: int) -> None:
        self.left -= 1
        kind = type(errors)
        if depth > _MAX_DEPTH or self.left < 0:
            self.left_out += 1
        elif kind is str:
            self._put(path, errors)
        # The exact types first: asking for abstract ones costs more than all the rest.
        elif kind is dict or (kind is not list and isinstance(errors, Mapping)):
            for key, item in errors.items():  # type: ignore[attr-defined]  # a mapping
                if type(item) is list and len(item) == 1 and type(item[0]) is str:  # what marshmallow mostly gives
                    self.left -= 2
                    self._put(_joined(path, key), item[0])
                else:
                    self.add(_joined(path, key), item, depth + 1)
                if self.left < 0:
                    break
        elif kind is list or isinstance(errors, (tuple, set, frozenset)):
            for index, item in enumerate(errors):  # type: ignore[arg-type]  # iterable
                # Texts in a list are several texts on one field; lists and mappings in it are a field per index.
                nested = type(item) is not str and isinstance(item, (Mapping, list, tuple, set, frozenset))
                self.add(_joined(path, index) if nested else path, item, depth + 1)
                if self.left < 0:
                    break
        elif errors is not None:
            self._put(path, errors)

    def _put(self, path: str, message: object) -> None:
        path = path or WHOLE_INPUT
        if len(path) > self.max_text:
            # The digest keeps paths apart that differ only in what is cut.
            digest = blake2b(path.encode(), digest_size=8).hexdigest()
            path = f"{path[: self.max_text]}{CUT}{digest}"
        texts = self.texts
        if path in texts:
            texts[path] = clean(f"{texts[path]} {text(message, self.max_text)}", self.max_text)
        elif len(texts) < self.max_details:
            texts[path] = text(message, self.max_text)
        else:
            self.left_out += 1

    def result(self) -> tuple[Detail, ...]:
        if self.left_out:
            at_least = "At least " if self.left < 0 else ""
            noun = "error was" if self.left_out == 1 else "errors were"
            note = f"{at_least}{self.left_out} more {noun} left out."
            present = self.texts.get(WHOLE_INPUT)
            self.texts[WHOLE_INPUT] = f"{present} {note}" if present else note
        return tuple(self.texts.items())


def _joined(path: str, key: object) -> str:
    name = key if type(key) is str else text(key, _MAX_KEY)
    if "." in name or "\\" in name:
        name = name.replace("\\", "\\\\").replace(".", "\\.")
    if not name.isascii():
        # A lone surrogate is written as its escape, which no escaped key contains otherwise.
        name = name.encode("utf-8", "backslashreplace").decode()
    return f"{path}.{name}" if path else name or _EMPTY_KEY


def declared_code(errors: object, schema: Any) -> str | None:
    """The error code that every failing field of a marshmallow schema declares, or None.

    A field declares a code with `metadata={"error_code": ...}`, or with a validator that has an attribute `error_code`.
    """
    codes = set(_declared(errors, schema, 0))
    return codes.pop() if len(codes) == 1 else None


def _declared(errors: object, schema: Any, depth: int) -> list[str | None]:
    if not isinstance(errors, dict) or depth > _MAX_DEPTH:
        return [None]
    codes: list[str | None] = []
    for key, item in errors.items():
        if isinstance(key, int):  # many=True: the errors of one item each
            codes += _declared(item, schema, depth + 1)
        else:
            codes += _declared_by_field(_field_of(key, schema.load_fields), item, depth)
        if None in codes:
            break
    return codes or [None]


def _field_of(key: object, fields: Mapping[str, Any]) -> Any:
    field = fields.get(key)  # type: ignore[call-overload]  # a hostile key finds nothing
    if field is not None and field.data_key in (None, key):
        return field
    return next((field for field in fields.values() if field.data_key == key), None)


def _declared_by_field(field: Any, errors: object, depth: int) -> list[str | None]:
    code = _code_of(field)
    if code is None and isinstance(field, List):  # the field of its items may declare a code
        field = field.inner
        code = _code_of(field)
    if code is None and isinstance(field, Nested):
        return _declared(errors, field.schema, depth + 1)
    return [code]


def _code_of(field: Any) -> str | None:
    if field is None:
        return None
    declared = field.metadata.get("error_code")
    if declared is None:
        for validator in field.validators:
            declared = getattr(validator, "error_code", None)
            if declared is not None:
                break
    return declared if isinstance(declared, str) else None
