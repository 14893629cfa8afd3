"""The matrix: Python versions, oldest and newest dependencies, with and without orjson.

nox                       everything that the installed Pythons allow
nox -s tests -p 3.13      the newest dependencies on one Python
nox -s oldest -p 3.10     the oldest supported dependencies, and marshmallow 3, without orjson
"""

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
# The docs' pages and the example's servers are the same everywhere; one Python runs them (make test).
CORE = ["--ignore=tests/docs", "--ignore=tests/example_app/test_demo_server.py"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests on the newest dependencies."""
    session.install("--quiet", ".[test]")
    session.run("python", "-m", "pytest", "-q", *CORE, *session.posargs)


@nox.session(python=["3.10", "3.11"])
def oldest(session: nox.Session) -> None:
    """The tests on the oldest supported dependencies, without orjson."""
    session.install("--quiet", ".[test]", "--constraint", "requirements/oldest.txt")
    session.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "orjson")
    session.run("python", "-m", "pytest", "-q", *CORE, *session.posargs)


@nox.session(python="3.11")
def marshmallow3(session: nox.Session) -> None:
    """The tests on the newest dependencies, but marshmallow 3."""
    session.install("--quiet", ".[test]", "marshmallow<4")
    session.run("python", "-m", "pytest", "-q", *CORE, *session.posargs)
