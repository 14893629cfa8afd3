"""Reference tables that are made from the code whenever the site is built.

- `catalog-table`: the codes of one category of the built-in catalogue; the category is the argument.
- `status-table`: the code that stands for each HTTP status.
- `settings-table`: the configuration keys.
- `event-table`: the fields of an event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields
from types import ModuleType
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from werkzeug.http import HTTP_STATUS_CODES

from flask_apierrors import codes, events, settings
from flask_apierrors.catalog import Catalog

Cells = Sequence[str]

_CODE = re.compile(r"`([^`]+)`")


def category_rows(catalog: Catalog, category: str) -> list[Cells]:
    """The rows of a catalogue's codes of one category."""
    return [
        (
            f"`{entry.code}`",
            str(entry.status),
            entry.description,
            entry.summary if entry.summary != entry.description else "",
            "yes" if entry.retryable else "no",
            f"`{entry.log_level}`",
            entry.user_message,
        )
        for entry in catalog.values()
        if entry.category == category
    ]


def status_rows(catalog: Catalog) -> list[Cells]:
    """The rows of the HTTP statuses that the catalogue has."""
    statuses = sorted({entry.status for entry in catalog.values()})
    return [
        (str(status), HTTP_STATUS_CODES.get(status, ""), f"`{catalog.for_status(status).code}`") for status in statuses
    ]


def settings_rows() -> list[Cells]:
    """The rows of the configuration keys."""
    return [
        (
            f"`{settings.PREFIX}{field.name.upper()}`",
            f"`{_default(field)!r}`",
            field.metadata["check"](object()),
            field.metadata["meaning"],
        )
        for field in fields(settings.Settings)
    ]


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def event_rows() -> list[Cells]:
    """The rows of the fields of an event."""
    return [(f"`{name}`", meaning) for name, meaning in events.FIELDS.items()]


def table(header: Cells, rows: Iterable[Cells], widths: Sequence[int]) -> nodes.table:
    """A docutils table; text between backticks is code."""
    group = nodes.tgroup(cols=len(widths))
    group += [nodes.colspec(colwidth=width) for width in widths]
    head, body = nodes.thead(), nodes.tbody()
    head += _row(header)
    body += [_row(row) for row in rows]
    group += [head, body]
    whole = nodes.table(classes=["colwidths-given"])
    whole += group
    return whole


def _row(cells: Cells) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        paragraph = nodes.paragraph()
        for number, part in enumerate(_CODE.split(cell)):
            if part:
                paragraph += nodes.literal(part, part) if number % 2 else nodes.Text(part)
        row += nodes.entry("", paragraph)
    return row


class CodeTable(SphinxDirective):
    """A directive whose page is read again when the code that it shows has changed."""

    source: ClassVar[ModuleType]

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(self.source.__file__))
        return [self.make()]

    def make(self) -> nodes.Node:
        raise NotImplementedError


class CatalogTable(CodeTable):
    required_arguments = 1
    final_argument_whitespace = True
    source = codes

    def make(self) -> nodes.Node:
        rows = category_rows(codes.DEFAULT_CATALOG, self.arguments[0])
        if not rows:
            raise self.error(f"the catalogue has no category {self.arguments[0]!r}")
        header = ("Code", "Status", "Description", "Summary, where it differs", "Retryable", "Level", "User message")
        return table(header, rows, (20, 8, 24, 14, 9, 9, 24))


class StatusTable(CodeTable):
    source = codes

    def make(self) -> nodes.Node:
        return table(("Status", "Phrase", "Code"), status_rows(codes.DEFAULT_CATALOG), (10, 40, 40))


class SettingsTable(CodeTable):
    source = settings

    def make(self) -> nodes.Node:
        return table(("Key", "Default", "Accepted", "Meaning"), settings_rows(), (26, 14, 26, 34))


class EventTable(CodeTable):
    source = events

    def make(self) -> nodes.Node:
        return table(("Field", "Meaning"), event_rows(), (20, 80))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("catalog-table", CatalogTable)
    app.add_directive("status-table", StatusTable)
    app.add_directive("settings-table", SettingsTable)
    app.add_directive("event-table", EventTable)
    return {"version": "1", "parallel_read_safe": True}
