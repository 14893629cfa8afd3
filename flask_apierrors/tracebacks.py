"""An exception's traceback as text: bounded, cheap, and safe with any exception."""

from __future__ import annotations

from functools import lru_cache
from linecache import getline
from typing import TYPE_CHECKING

from flask_apierrors.redaction import redact_text
from flask_apierrors.text import fault_name, text, type_name

if TYPE_CHECKING:
    from types import TracebackType

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n"

_MAX_FRAMES = 60
_MAX_CHAIN = 10
_MAX_GROUP = 15
_MAX_DEPTH = 5
_MAX_MESSAGE = 2000


def format_traceback(exc: BaseException) -> str:
    """What the interpreter would print, without the carets, local variables, or secrets inside messages.

    The standard library's formatter parses the source of every frame to place its carets; this is some twenty times
    cheaper. Causes, contexts, notes and the members of exception groups are included.
    """
    try:
        return "\n".join(_chain(exc, 0))
    except Exception as fault:  # of an exception whose attributes cannot be read
        return f"{type_name(exc)} ({fault_name('traceback', fault)})"


def _chain(exc: BaseException, depth: int) -> list[str]:
    parts: list[list[str]] = []
    seen: set[int] = set()
    current: BaseException | None = exc
    joint = ""
    while current is not None and id(current) not in seen and len(parts) < _MAX_CHAIN:
        seen.add(id(current))
        lines = _one(current, depth)
        if joint:
            lines.append(joint)
        parts.append(lines)
        if current.__cause__ is not None:
            current, joint = current.__cause__, _CAUSE
        elif not current.__suppress_context__:
            current, joint = current.__context__, _CONTEXT
        else:
            break
    return [line for lines in reversed(parts) for line in lines]


def _one(exc: BaseException, depth: int) -> list[str]:
    lines = ["Traceback (most recent call last):"] if exc.__traceback__ is not None else []
    lines += _frames(exc.__traceback__)
    message = redact_text(text(exc, _MAX_MESSAGE))
    name = type_name(exc)
    lines.append(f"{name}: {message}" if message else name)
    notes = getattr(exc, "__notes__", None)
    if notes is not None and issubclass(type(notes), (list, tuple)):
        lines += [redact_text(text(note, _MAX_MESSAGE)) for note in notes[:_MAX_GROUP]]
    members = getattr(exc, "exceptions", None)
    if members is not None and issubclass(type(members), (list, tuple)) and depth < _MAX_DEPTH:
        for number, member in enumerate(members[:_MAX_GROUP], 1):
            if isinstance(member, BaseException):
                lines.append(f"  ---------------- {number} of {len(members)} ----------------")
                lines += [f"  | {line}" for line in _chain(member, depth + 1)]
    return lines


@lru_cache(maxsize=4096)
def _frame(filename: str, lineno: int | None, function: str) -> str:
    line = f'  File "{filename}", line {lineno}, in {function}'
    source = redact_text(getline(filename, lineno or 0).strip())
    return f"{line}\n    {source}" if source else line


def _frames(traceback: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(_frame(code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
        if len(frames) > 10 * _MAX_FRAMES:  # a recursion: the middle says nothing
            del frames[_MAX_FRAMES:-_MAX_FRAMES]
    if len(frames) > _MAX_FRAMES:
        half = _MAX_FRAMES // 2
        frames[half:-half] = ["  [frames left out]"]
    return frames
