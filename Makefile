# Every target works on a fresh machine with Python and make: it sets up its virtual environment first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 5000

.PHONY: help demo test lint docs bench dist clean

help:
	@echo "make demo    serve the example at http://$(HOST):$(PORT) on SQLite"
	@echo "make test    run the tests with branch coverage"
	@echo "make lint    ruff, and mypy on the package, the example and the typing test"
	@echo "make docs    build the documentation into docs/_build/html"
	@echo "make bench   print what errors cost, as ratios to bare Flask (about five minutes)"
	@echo "make dist    build the source distribution and the wheel into dist/"
	@echo "make clean   remove what the other targets made"

# One stamp per set of extras; each is as new as pyproject.toml.
$(VENV)/stamp-%: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the extra '$*' into $(VENV)" >&2  # standard output is the demo's log
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]" >&2
	@touch $@

demo: $(VENV)/stamp-example
	@exec $(BIN)/python -m example_app --host $(HOST) --port $(PORT)

test: $(VENV)/stamp-dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report

lint: $(VENV)/stamp-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy flask_apierrors example_app tests/typing

docs: $(VENV)/stamp-dev
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --builder html docs docs/_build/html
	@echo "The documentation is in docs/_build/html/index.html"

bench: $(VENV)/stamp-bench
	$(BIN)/python -m benchmarks

dist: $(VENV)/stamp-dev
	rm -rf dist
	$(BIN)/python -m build --quiet

clean:
	rm -rf $(VENV) build dist docs/_build .coverage .hypothesis .mypy_cache .nox .pytest_cache .ruff_cache *.egg-info
