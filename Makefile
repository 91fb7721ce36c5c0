# The one task runner. Every target sets up what it needs; only Python >= 3.11 and make must be present.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= $(TOCSIN_DATA)
.DEFAULT_GOAL := help

.PHONY: help setup setup-dev demo test test-all check format gen bench soak clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed" >&2; echo "hint: make PYTHON=/path/to/python3.11 demo" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'

$(VENV)/.base: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $@

# Its one dependency is a protobuf that clashes with ours (pyproject.toml); there is no wheel everywhere.
$(VENV)/.baseline: $(VENV)/.dev pyproject.toml
	-$(BIN)/python -m pip install --quiet --no-deps --group baseline
	@touch $@

setup: $(VENV)/.base ## Install what a node needs into .venv
setup-dev: $(VENV)/.dev ## Install what development and every test need into .venv

$(VENV)/.train: $(VENV)/.base pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	@touch $@

demo: setup $(if $(TRAIN),$(VENV)/.train) ## A whole federation on this machine (DATA=../shared/data for real data, TRAIN=1 to train a model, too)
	$(BIN)/tocsin demo $(if $(DATA),--data $(DATA))

# A file stays in one process, so that its nodes are started once; tests/conftest.py puts long ones first.
test: setup-dev ## Run the tests, on all cores
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder -m 'not slow'

test-all: setup-dev ## Run every test, those of minutes, too
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

check: setup-dev ## Format, lint, types, floors, contract
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint proto
	@if git rev-parse --verify --quiet main >/dev/null && git ls-tree --name-only main proto/ | grep -q buf.yaml; \
	  then $(BIN)/buf breaking proto --against '.git#branch=main,subdir=proto'; fi
	$(BIN)/python -m pytest -q tests/contract/test_codegen.py

format: setup-dev ## Rewrite the code in the house format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

gen: setup-dev ## Generate the stubs of the contract
	$(BIN)/python -m tests.contract.codegen
	$(BIN)/python -m tests.contract.readme
	$(BIN)/python -m tests.contract.matters

bench: setup-dev $(VENV)/.baseline ## Measure the hot paths; the figures go to bench.json and the README
	@# What was measured is shown even where a bench lacked something; the status says so.
	$(BIN)/python -m tests.bench --output bench.json; status=$$?; \
	  $(BIN)/python -m tests.contract.readme bench.json && $(BIN)/python -m tests.bench.plots bench.json docs || exit 1; exit $$status

soak: setup-dev ## Load three nodes for MINUTES (24) at 70% of what they can do, and hold them to it
	$(BIN)/python -m tests.bench.soak --minutes $(or $(MINUTES),24)

clean: ## Remove what the targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
