"""The figures as text, and as a page to keep."""

import platform
import statistics
from datetime import datetime, timezone
from importlib import metadata

#: The most instructions that the extension may need with orjson, as a ratio to the unit.
LIMITS = {"ok": 1.10, "abort": 1.40, "validation": 2.05, "crash": 1.60, "unrouted": 1.55, "malformed": 1.80}
#: How much more it may need in each kind without orjson.
WITHOUT_ORJSON = 0.10

LIBRARIES = ("flask", "werkzeug", "structlog", "marshmallow", "orjson", "apiflask", "flask-smorest")


def times_section(unit, ratios):
    def cell(rounds):
        return f"{statistics.median(rounds):.2f} ({min(rounds):.2f}–{max(rounds):.2f})"  # noqa: RUF001 - a range

    title = f"Time, 1.00 = {unit * 1e6:.0f} µs: median of the rounds (least to most)"
    return _section(title, _table(ratios, cell))


def instructions_section(unit, ratios):
    return _section(f"Instructions, 1.00 = {unit:,.0f}", _table(ratios, "{:.2f}".format))


def limits_section(ratios):
    """The stated limits beside what was counted; empty if the extension was not among the candidates."""
    rows = []
    for candidate, more in (("apierrors", 0.0), ("apierrors_stdlib", WITHOUT_ORJSON)):
        for kind, of_kind in ratios.items():
            if candidate in of_kind:
                limit = LIMITS[kind] + more
                verdict = "met" if round(of_kind[candidate], 2) <= limit + 1e-9 else "not met"
                rows.append([candidate, kind, f"{limit:.2f}", f"{of_kind[candidate]:.2f}", verdict])
    return _section("Limits, in instructions", _rows(["", "kind", "limit", "counted", ""], rows)) if rows else ""


def page(command, sections):
    """RESULTS.md: how the figures came about, then the figures."""
    versions = [f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in LIBRARIES)]
    facts = [
        f"- Command: `{command}`",
        f"- Date: {datetime.now(timezone.utc):%Y-%m-%d}",
        f"- Machine: {platform.system()} {platform.machine()}",
        f"- Versions: {', '.join(versions)}",
    ]
    intro = "Ratios to bare Flask's successful request; [README.md](README.md) says how they are made and read."
    return "\n\n".join(["# Results", intro, "\n".join(facts), *sections]) + "\n"


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _section(title, text):
    return f"## {title}\n\n{text}"


def _table(ratios, cell):
    """One row for each candidate, one column for each kind."""
    candidates = next(iter(ratios.values()))
    rows = [[candidate, *(cell(of_kind[candidate]) for of_kind in ratios.values())] for candidate in candidates]
    return _rows(["", *ratios], rows)


def _rows(header, rows):
    """A Markdown table whose columns also line up as plain text."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * max(3, width) for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(value.ljust(max(3, width)) for value, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
