# Two commands matter: `make run` and `make test`. Both make the environment first (once).
# What they print on the way goes to stderr, so that `make run | head` shows feed messages only.
.SILENT:
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.rtgenre-installed
ARGS   ?=

.PHONY: help setup run test fmt lint type bench schema tables golden literature wheel clean

help: ## this list
	grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(STAMP) ## make the environment and install everything that is needed

$(STAMP): pyproject.toml constraints.txt
	echo "setting up $(VENV): one to three minutes, once" >&2
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "rtgenre needs Python 3.11 or newer" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) >&2
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt >&2
	touch $@

run: setup ## listen: the default input device, or the built-in demo (ARGS='--source demo' …)
	exec $(BIN)/rtgenre run $(ARGS)

test: setup ## the whole test suite (ARGS='-k feed' …; ARGS='-n0 --pdb' to debug)
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

fmt: setup ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix-only --quiet .

lint: setup ## formatting, lint rules, and who may import whom
	$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && $(BIN)/lint-imports --no-cache

type: setup ## static types, strictly
	$(BIN)/mypy

bench: setup ## measure this machine: stages, start-up, end to end, against librosa and torch
	$(BIN)/python benchmarks/frontend.py && $(BIN)/python benchmarks/model.py && $(BIN)/rtgenre bench $(ARGS)

schema: setup ## regenerate docs/feed.schema.json from the message table
	$(BIN)/python scripts/make_schema.py

tables: setup ## fill the README's tables from kept runs (after `rtgenre bench --out benchmarks/results/bench.jsonl`)
	$(BIN)/python scripts/make_tables.py

golden: setup ## regenerate the golden files of the tests
	$(BIN)/python tests/golden/make_frontend.py

literature: setup ## run the systems of the literature (hours; goes on where it was): ARGS='--data gtzan_power.npz'
	$(BIN)/rtgenre literature $(ARGS)

wheel: setup ## build a wheel that holds the model and works anywhere
	$(BIN)/python -m build --wheel --no-isolation

clean: ## remove the environment and what was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
