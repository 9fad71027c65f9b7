# Each target does its own set-up: Debian, Python 3.11, make and git are enough.
SHELL := /bin/sh
BIN := .venv/bin
PACKAGES := ingest orchestration quality dashboard
CHECKED := $(PACKAGES) tests benchmarks
COMPILE := uv pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-strip-extras \
	--python-version 3.11
DASHBOARD ?= 1
LARGE ?= 1
LOCK_DIR ?= requirements
PYTEST_ARGS ?=
WORKERS ?= 2

# The environment that make builds is the one that is used, whatever the shell had activated.
unexport VIRTUAL_ENV PYTHONPATH
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export GX_ANALYTICS_ENABLED := false

.PHONY: help setup demo test lint lint-light bench docs soak lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed ## Make .venv with everypupil in it

.venv/.packages: requirements/lock.txt requirements/bootstrap.txt
	.ci/setup
	@touch $@

.venv/.installed: .venv/.packages pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q $(PACKAGES)
	@touch $@

demo: setup ## Synthetic trust, whole run, published release, dashboard (DASHBOARD=0: end after the release)
ifeq ($(DASHBOARD),0)
	$(BIN)/everypupil demo --no-dashboard
else
	$(BIN)/everypupil demo
endif

test: setup lint-light ## Every test, the browser's included
	.ci/browser
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

lint-light: setup
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .

lint: lint-light ## Style, types, SQL, and the lock against pyproject.toml
	$(BIN)/mypy --strict
	$(BIN)/python .ci/lint_sql.py
	.ci/check-lock

bench: setup ## The targets as ratios beside their yardsticks (LARGE=0: the demo trust alone)
	$(BIN)/python -m benchmarks $(if $(filter 0,$(LARGE)),,--large)

docs: setup ## The models' documentation as one page in build/docs
	$(BIN)/python .ci/docs.py

soak: setup ## The long forms of the tests, log kept under docs/evidence
	.ci/soak

lock: setup ## Compile the lock from pyproject.toml
	$(BIN)/$(COMPILE) requirements/bootstrap.in --output-file $(LOCK_DIR)/bootstrap.txt
	$(BIN)/$(COMPILE) --all-extras pyproject.toml requirements/build.in --output-file $(LOCK_DIR)/lock.txt

clean: ## Remove what make built (never ./data)
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
