# Set-up and checks. Needs a Python of 3.11 or later with its venv module, and make.
#
#   make demo        generate text with the model that ships in the package
#   make test        the fast tests                make test-slow   the tests that take minutes
#   make check       format, lint, types, and who may import whom
#   make clean       remove what the others made
#
# Another Python: `make test PYTHON=python3.12`. Some of the tests: `make test TESTS=tests/process`.

PYTHON ?= python3
TESTS ?= tests
BIN := .venv/bin
READY := .venv/ready
# A process for each core, up to four; they do not share the cores among their own threads as well.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input

.PHONY: demo test test-slow check clean

demo: $(READY)
	@$(BIN)/unmask generate

test: $(READY)
	@$(PYTEST) $(TESTS)

test-slow: $(READY)
	@$(PYTEST) -m "slow and not gpu" $(TESTS)

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy src
	@$(BIN)/python -m pytest --quiet tests/test_architecture.py

# Touched last, so that a set-up that was interrupted is begun again.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "unmask needs Python 3.11 or later; $(PYTHON) --version says:" \
	        "$$($(PYTHON) --version 2>&1 | head -n 1). Name another: make PYTHON=python3.12 ..." >&2; \
	    exit 2; }
	@echo "Setting up .venv from requirements.lock; the first time takes a few minutes." >&2
	@$(PYTHON) -m venv .venv || { \
	    echo "$(PYTHON) could not make a virtual environment; its venv module may be a package" \
	        "of its own (Debian: apt install python3-venv)." >&2; exit 2; }
	@$(PIP) install --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
