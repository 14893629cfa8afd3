"""The code blocks of a Markdown page, with what the comment above each says about running it.

A comment is a MyST one (`% test: ...`) or, where GitHub shows the page too, an HTML one (`<!-- test: ... -->`), on the
lines right above the fence:

- `test: skip (reason)`: the block is not run.
- `test: server`: the console command keeps running while the rest of the page is read.
- `test: fails`: the console command ends with an error, and what it prints on standard error is compared too.
- `test: example (reason)`: the JSON is not something that the page's code has printed or received.
- `file: NAME`: the Python block is the file NAME; `append: NAME`: it is added to that file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

#: The kinds of blocks that are checked; `text` is for drawings.
KINDS = ("python", "console", "json", "text")
#: The directives that a page may have in a fence; Sphinx checks them when it builds the site.
DIRECTIVES = ("catalog-table", "event-table", "settings-table", "status-table", "eval-rst", "literalinclude", "toctree")

_FENCE = re.compile(r"(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})\s*(?P<info>.*?)\s*")
_COMMENT = re.compile(r"(?:%|<!--)\s*(?P<key>test|file|append):\s*(?P<value>.*?)\s*(?:-->)?")
_TEST = re.compile(r"(?P<verb>skip|example) \((?P<reason>[^)]{10,})\)|(?P<plain>server|fails)")


class BadPage(Exception):
    """A page with a block that the tests cannot judge."""


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    #: The line of the page on which the block's first line of code is.
    line: int
    kind: str
    text: str
    #: skip, server, fails, example, or nothing.
    verb: str = ""
    reason: str = ""
    #: The file that the block is, or is added to.
    file: str = ""
    append: bool = False

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, in their order.

    Raises:
        BadPage: a block of an unknown kind, or a comment that says something unknown.
    """
    blocks = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        opening = _FENCE.fullmatch(lines[number])
        number += 1
        if opening is None:
            continue
        first = number
        while number < len(lines) and lines[number].strip() != opening["ticks"]:
            number += 1
        if number == len(lines):
            raise BadPage(f"{page}:{first}: the block has no end")
        content = lines[first:number]
        number += 1
        place = f"{page}:{first}"
        kind = opening["info"].split()[0] if opening["info"] else ""
        directive = re.fullmatch(r"\{(.+)\}", kind)
        if directive is not None:
            if directive[1] not in DIRECTIVES:
                raise BadPage(f"{place}: the directive {kind} is not one of {', '.join(DIRECTIVES)}")
            continue
        if kind not in KINDS:
            raise BadPage(f"{place}: blocks of the kind {kind!r} are not known; known are {', '.join(KINDS)}")
        if opening["indent"]:
            raise BadPage(f"{place}: an indented block would run with its indentation; put it at the margin")
        blocks.append(_block(page, first + 1, kind, "\n".join(content) + "\n", _comments(lines, first - 2, place)))
    return blocks


def _comments(lines: list[str], number: int, place: str) -> dict[str, str]:
    found: dict[str, str] = {}
    while number >= 0 and lines[number].startswith(("%", "<!--")):
        comment = _COMMENT.fullmatch(lines[number])
        if comment is None:
            raise BadPage(f"{place}: {lines[number]!r} is not a comment that says how to test a block")
        found[comment["key"]] = comment["value"]
        number -= 1
    return found


def _block(page: Path, line: int, kind: str, text: str, comments: dict[str, str]) -> Block:
    verb, reason = "", ""
    if "test" in comments:
        test = _TEST.fullmatch(comments["test"])
        if test is None:
            raise BadPage(f"{page}:{line}: {comments['test']!r}: say skip or example with a reason, server, or fails")
        verb, reason = test["verb"] or test["plain"], test["reason"] or ""
    file = comments.get("file") or comments.get("append") or ""
    return Block(page, line, kind, text, verb, reason, file, "append" in comments)
