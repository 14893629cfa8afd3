"""The documentation is true: its blocks run, its reference is complete, its site builds without a warning."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import fences
import pytest
import run_page

import flask_apierrors
from flask_apierrors.events import FIELDS
from flask_apierrors.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
README = ROOT / "README.md"
CONFIG_KEYS = {PREFIX + field.name.upper() for field in fields(Settings)}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def skipped_blocks() -> list[fences.Block]:
    try:
        return [block for page in PAGES for block in fences.blocks_of(page) if block.verb in ("skip", "example")]
    except fences.BadPage:
        return []  # test_page says it


def run(page: Path, folder: Path, *kinds: str) -> None:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", run_page.__file__, str(page), *kinds],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page(page: Path, tmp_path: Path) -> None:
    blocks = fences.blocks_of(page)
    if any(block.kind == "console" and "curl" in block.text for block in blocks) and not shutil.which("curl"):
        pytest.skip("this page needs curl")
    run(page, tmp_path / "page", *fences.KINDS)


def test_python_of_readme(tmp_path: Path) -> None:
    run(README, tmp_path / "page", "python")


# Each block that is not run is a skipped test, so that the report shows it with its reason.
@pytest.mark.parametrize("block", skipped_blocks(), ids=lambda block: block.place)
def test_block_that_is_not_run(block: fences.Block) -> None:
    pytest.skip(f"{name_of(block.page)}:{block.line} {block.reason}")


# --- the reference is complete ---


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx", reason="building the site needs the extra 'docs'")
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "--keep-going", "-q", "-b", "html", "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder / "html")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return folder / "html"


def literals(page: Path) -> set[str]:
    """What a built page shows as code."""
    source = re.sub(r"<(?!/?code)[^>]*>", "", page.read_text(encoding="utf-8"))
    return {html.unescape(text) for text in re.findall(r"<code[^>]*>(.*?)</code>", source, re.DOTALL)}


def ids(page: Path) -> set[str]:
    return set(re.findall(r'id="([^"]+)"', page.read_text(encoding="utf-8")))


def test_site_builds_without_warnings(site: Path) -> None:
    built = {page.relative_to(site).with_suffix(".md") for page in site.rglob("*.html")}
    assert {page.relative_to(DOCS) for page in PAGES} <= built


def test_site_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r'<(?:script|img|iframe)[^>]*\ssrc="https?:|<link[^>]*rel="stylesheet"[^>]*href="https?:')
    assert [page.name for page in site.rglob("*.html") if loaded.search(page.read_text(encoding="utf-8"))] == []


def test_every_configuration_key_is_in_the_reference(site: Path) -> None:
    assert literals(site / "reference/configuration.html") >= CONFIG_KEYS


def test_every_code_is_in_the_reference(site: Path) -> None:
    page = site / "reference/codes.html"
    assert literals(page) >= set(flask_apierrors.DEFAULT_CATALOG)
    text = html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))
    for entry in flask_apierrors.DEFAULT_CATALOG.values():
        assert {part for part in (entry.description, entry.summary, entry.user_message) if part not in text} == set()


def test_every_event_field_is_in_the_reference(site: Path) -> None:
    assert literals(site / "reference/events.html") >= set(FIELDS)


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    assert ids(site / "reference/api.html") >= {f"flask_apierrors.{name}" for name in flask_apierrors.__all__}


# --- the prose names what there is ---


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [*PAGES, README], ids=name_of)
def test_configuration_keys_in_prose_exist(page: Path) -> None:
    assert set(re.findall(rf"{PREFIX}[A-Z_]+", prose(page))) <= CONFIG_KEYS


@pytest.mark.parametrize("page", sorted((DOCS / "explanation").glob("*.md")), ids=name_of)
def test_modules_and_functions_that_the_explanation_names_exist(page: Path) -> None:
    package = Path(flask_apierrors.__file__).parent
    source = "\n".join(module.read_text(encoding="utf-8") for module in package.glob("*.py"))
    for name in re.findall(r"`(\w+\.py)`", prose(page)):
        assert (package / name).exists(), name
    for name in re.findall(r"`(?:\w+\.)?(\w+)\(\)`", prose(page)):
        known = re.search(rf"^\s*(?:def|class) {name}\b", source, re.MULTILINE) or name == "app"
        assert known, f"{name}() is nowhere in the package"


# --- the checks themselves ---


def page_of(tmp_path: Path, text: str) -> Path:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```rust\nfn main() {}\n```\n", "'rust' are not known; known are python, console, json, text"),
        ("```\nwhat am I?\n```\n", "'' are not known"),
        ("```{plot}\n```\n", "the directive {plot} is not one of"),
        ("- a list\n  ```python\n  x = 1\n  ```\n", "an indented block"),
        ("```python\nx = 1\n", "the block has no end"),
        ("% test: skip\n```python\nx = 1\n```\n", "say skip or example with a reason"),
        ("% tset: server\n```console\n$ ls\n```\n", "is not a comment that says how to test"),
    ],
)
def test_a_page_that_cannot_be_judged_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(fences.BadPage, match=re.escape(message)):
        fences.blocks_of(page_of(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "```python\nassert 1 == 2\n```\n",
        "```python\nimport warnings\nwarnings.warn('old')\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ false\n```\n",
        '```json\n{"error": \n```\n',
        '```json\n{"error": "conflict", "error_description": "never received"}\n```\n',
        '% test: example (the order is wrong)\n```json\n{"error_description": "a", "error": "b"}\n```\n',
        "% file: app.py\n```python\nimport no_such_module\n```\n",
        "% test: server\n```console\n$ echo not a server\n```\n",
    ],
)
def test_a_page_that_is_not_true_fails(tmp_path: Path, text: str) -> None:
    with pytest.raises(AssertionError):
        run(page_of(tmp_path, text), tmp_path / "run", *fences.KINDS)


def test_a_page_that_is_true_passes(tmp_path: Path) -> None:
    text = (
        '% file: greet.py\n```python\nprint(\'{"a": "b, c"}\')\n```\n'
        "% append: greet.py\n```python\nwho = 'you'\n```\n"
        "```python\nfrom greet import who\nassert who == 'you'\n```\n"
        '```json\n{"a": "b..."}\n```\n'
        "```console\n$ cd ..; X=one\n$ echo $X \\\n> two; echo three\none two\n...\n```\n"
        "<!-- test: fails -->\n```console\n$ echo no >&2; false\nno\n```\n"
        "<!-- test: skip (there is no such command) -->\n```console\n$ nothing\n```\n"
    )
    run(page_of(tmp_path, text), tmp_path / "run", *fences.KINDS)


@pytest.mark.parametrize(
    ("shown", "seen", "same"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": "x...z"}, {"a": "xyz"}, True),
        ({"a": ["x", {"b": None}]}, {"a": ["x", {"b": None}]}, True),
        ({"a": ["x"]}, {"a": ["x", "y"]}, False),
    ],
)
def test_json_is_compared_with_order_and_wildcards(shown: object, seen: object, same: bool) -> None:
    assert run_page.is_same(shown, seen) is same
