# The same few verbs here and in CI. Everything is installed into .venv, from the lock files.
PYTHON ?= python3.11
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-slow lint format compiled bench lock clean

help:
	@echo "make quickstart   install, start two real local models, evaluate five candidates, show who wins"
	@echo "make test         the default test suite, with coverage"
	@echo "make test-slow    the tests that take minutes"
	@echo "make lint         ruff, format check, mypy"
	@echo "make compiled     the gateway's hot modules as machine code (needs a C compiler; everything runs without)"
	@echo "make bench        the benchmarks, in full (BENCH=--quick for a smoke run)"

# --- installation: one stamp a set of packages, so that a second run does nothing
.venv/.created:
	$(PYTHON) -m venv .venv || { echo "error: no $(PYTHON) with venv; name yours: make PYTHON=python3.12 …" >&2; exit 2; }
	@touch $@

.venv/.run: locks/run.lock pyproject.toml | .venv/.created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/run.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/.local: locks/local.lock | .venv/.created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r locks/local.lock
	@touch $@

.venv/.dev: locks/dev.lock .venv/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.lock
	@$(BIN)/python build_compiled.py --optional  # two minutes, once; what is measured by hand is what users get
	@touch $@

# --- the verbs
quickstart: .venv/.run .venv/.local
	@$(BIN)/weighbridge quickstart

test: .venv/.dev .venv/.local
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --cov --cov-report=term

test-slow: .venv/.dev .venv/.local
	$(BIN)/python -m pytest -m slow

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

compiled: .venv/.dev
	@$(BIN)/python build_compiled.py

bench: .venv/.dev .venv/.local
	@$(BIN)/python build_compiled.py --optional
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script $(BENCH) || exit 1; done

# Needs uv; the lock files name versions and hashes, never an index.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock:
	$(COMPILE) pyproject.toml -o locks/run.lock
	$(COMPILE) pyproject.toml --extra brotli --group dev -c locks/run.lock -o locks/dev.lock
	$(COMPILE) locks/local.in --no-deps -o locks/local.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .coverage* src/weighbridge/_compiled
