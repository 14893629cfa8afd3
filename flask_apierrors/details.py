"""Field errors of any shape as a flat, bounded list of paths with one text each."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from flask_apierrors.text import CUT, clean, text

#: The path of errors that belong to the whole input.
WHOLE_INPUT = "_schema"

#: One field error: its path and its text.
Detail = tuple[str, str]

_MAX_DEPTH = 32
_MAX_NODES = 100_000
_MAX_KEY = 100_000


def flatten(errors: object, max_details: int, max_text: int) -> tuple[Detail, ...]:
    """Field errors as `(path, text)`, in their order.

    Takes what marshmallow gives and what people write: texts, lists of texts, mappings and lists nested in any way.
    The keys of a path are joined with a dot; a dot or a backslash inside a key is escaped with a backslash, so that two
    different paths never meet. Several texts on one path are joined with a space. What lies beyond `max_details` paths
    is left out, and a text under `_schema` says how much.
    """
    flat = _Flat(max_details, max_text)
    flat.add((), errors, 0)
    return flat.result()


class _Flat:
    __slots__ = ("left", "left_out", "max_details", "max_text", "texts")

    def __init__(self, max_details: int, max_text: int) -> None:
        self.texts: dict[str, str] = {}
        self.left_out = 0
        self.left = _MAX_NODES
        self.max_details = max_details
        self.max_text = max_text

    def add(self, keys: tuple[object, ...], errors: object, depth: int) -> None:
        self.left -= 1
        if depth > _MAX_DEPTH or self.left < 0:
            self.left_out += 1
        elif isinstance(errors, Mapping):
            for key, item in errors.items():
                self.add((*keys, key), item, depth + 1)
                if self.left < 0:
                    break
        elif isinstance(errors, (list, tuple, set, frozenset)):
            for index, item in enumerate(errors):
                # A list of texts is several texts on one field; a list of lists or mappings has a field per index.
                nested = isinstance(item, (Mapping, list, tuple, set, frozenset))
                self.add((*keys, index) if nested else keys, item, depth + 1)
                if self.left < 0:
                    break
        elif errors is not None:
            self._put(keys, errors)

    def _put(self, keys: tuple[object, ...], message: object) -> None:
        path = ".".join([_escaped(key) for key in keys]) if keys else WHOLE_INPUT
        if len(path) > self.max_text:
            # The digest keeps paths apart that differ only in what is cut.
            digest = blake2b(path.encode(), digest_size=8).hexdigest()
            path = f"{path[: self.max_text]}{CUT}{digest}"
        present = self.texts.get(path)
        if present is not None:
            if len(present) < self.max_text:
                self.texts[path] = clean(f"{present} {text(message, self.max_text)}", self.max_text)
        elif len(self.texts) < self.max_details:
            self.texts[path] = text(message, self.max_text)
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


def _escaped(key: object) -> str:
    name = key if type(key) is str else text(key, _MAX_KEY)
    if "." in name or "\\" in name:
        name = name.replace("\\", "\\\\").replace(".", "\\.")
    # A lone surrogate is written as its escape, which no escaped key contains otherwise.
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def declared_code(errors: object, schema: Any) -> str | None:
    """The error code that every failing field of a marshmallow schema declares, or None.

    A field declares a code with `metadata={"error_code": ...}`, or with a validator that has an attribute `error_code`.
    """
    codes = set(_declared(errors, schema, 0))
    return codes.pop() if len(codes) == 1 else None


def _declared(errors: object, schema: Any, depth: int) -> list[str | None]:
    if not isinstance(errors, Mapping) or depth > _MAX_DEPTH:
        return [None]
    by_key = {
        field.data_key if field.data_key is not None else name: field for name, field in schema.load_fields.items()
    }
    codes: list[str | None] = []
    for key, item in errors.items():
        if isinstance(key, int):  # many=True: the errors of one item each
            codes += _declared(item, schema, depth + 1)
            continue
        field: Any = by_key.get(key)
        code = _code_of(field)
        if code is None and hasattr(field, "inner"):  # a List: its items' field may declare a code
            field = field.inner
            code = _code_of(field)
        if code is None:
            nested = getattr(field, "schema", None)
            codes += [None] if nested is None else _declared(item, nested, depth + 1)
        else:
            codes.append(code)
        if None in codes:
            break
    return codes or [None]


def _code_of(field: Any) -> str | None:
    declared = getattr(field, "metadata", {}).get("error_code")
    if declared is None:
        for validator in getattr(field, "validators", ()):
            declared = getattr(validator, "error_code", None)
            if declared is not None:
                break
    return declared if isinstance(declared, str) else None
