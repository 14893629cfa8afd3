"""Tracebacks in the log: everything the interpreter would print, bounded, whatever the exception is."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from flask import Flask

Envelope = Callable[..., SimpleNamespace]
MakeApp = Callable[..., Flask]


def crash(make_app: MakeApp, envelope: Envelope, view: Callable[[], Any]) -> str:
    error = envelope(make_app(view).test_client().get("/"), 500, "internal_error")
    return str(error.line["exception"])


class Group(Exception):  # ExceptionGroup is new in Python 3.11
    def __init__(self, *exceptions: object) -> None:
        super().__init__("several")
        self.exceptions = list(exceptions)


def test_causes_contexts_notes_and_members(make_app: MakeApp, envelope: Envelope) -> None:
    def view() -> Any:
        try:
            raise KeyError("first")
        except KeyError as exc:
            try:
                raise OSError("second") from exc
            except OSError:
                error = Group(ValueError("a member"), "not an exception")
                error.__notes__ = ["a note", "token=abcdef"]
                raise error  # noqa: B904  # the context is what is tested

    text = crash(make_app, envelope, view)
    positions = [
        text.index(part)
        for part in (
            "KeyError: 'first'",
            "The above exception was the direct cause of the following exception:",
            "OSError: second",
            "During handling of the above exception, another exception occurred:",
            "Group: several",
            "a note",
            "token=REDACTED",
            "1 of 2",
            "ValueError: a member",
        )
    ]
    assert positions == sorted(positions)
    assert 'raise OSError("second") from exc' in text
    assert "not an exception" not in text.splitlines()[-1]


def test_a_deep_recursion_is_cut_in_the_middle(make_app: MakeApp, envelope: Envelope) -> None:
    def view(depth: int = 0) -> Any:
        return view(depth + 1)

    text = crash(make_app, envelope, view)
    assert "[frames left out]" in text
    assert len(text) < 20_000
    assert "RecursionError" in text.splitlines()[-1]


def test_a_cycle_of_causes_ends(make_app: MakeApp, envelope: Envelope) -> None:
    def view() -> Any:
        first, second = KeyError("first"), OSError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    text = crash(make_app, envelope, view)
    assert text.count("KeyError: 'first'") == text.count("OSError: second") == 1
