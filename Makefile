# fedsight: `make` alone shows what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Python 3.11 or 3.12: the first of these that is one, or your own: make demo PYTHON=/path/to/python
PYTHON ?= $(shell for python in python3.11 python3.12 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& echo $$python && break; done)

# Where torch comes from, if not from pip's own index. On Linux that one has a build for NVIDIA
# GPUs, of several GB; without a GPU, take the address of the CPU index that PyTorch's installation
# page gives: make demo TORCH_INDEX=ADDRESS
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/.installed-bench
NODE_INSTALLED := web/node_modules/.installed
# A file's tests stay in one process and in their order: they share what is dear to start.
AT_ONCE := --numprocesses auto --maxprocesses 4 --dist loadfile
SOURCES := src tests $(wildcard benchmarks examples)

.PHONY: help setup demo demo-telemetry test test-fast fuzz needs lint types bench web web-check docs lock clean

help: ## show this
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
	@echo "No GPU on Linux? make demo TORCH_INDEX=ADDRESS (see CONTRIBUTING.md)"

demo: setup ## train a real model over ten unequal nodes and show it live
	@$(BIN)/fedsight run

demo-telemetry: setup ## foresee this host's power, load and memory, with every part that it takes
	@$(BIN)/fedsight demo telemetry

setup: $(INSTALLED) ## create .venv and install the locked dependencies

$(INSTALLED): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
	  echo "fedsight needs Python 3.11 or 3.12: install one, or say make PYTHON=/path/to/it" >&2; \
	  exit 1; fi
	@echo "installing into $(VENV) with $(PYTHON) (once, some minutes)"
	@$(PYTHON) -m venv $(VENV)
	@if [ -n "$(TORCH_INDEX)" ]; then \
	  $(PIP) install --index-url "$(TORCH_INDEX)" "$$(grep '^torch==' requirements.lock)"; fi
	@$(PIP) install -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

test: setup needs $(NODE_INSTALLED) ## run all tests, in Python and in the browser's language
	@$(BIN)/python -m pytest $(AT_ONCE) --durations 25
	@cd web && npm test --silent

test-fast: setup ## run the Python tests that take no whole processes
	@$(BIN)/python -m pytest -m "not slow" $(AT_ONCE)

fuzz: setup ## ask everything of a collector that its /openapi.json allows, 1,000 examples a route
	@FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest -q tests/security/test_fuzzing.py

needs: ## install, or list, what the tests need from the system
	@scripts/test-needs

$(NODE_INSTALLED): web/package-lock.json
	@cd web && npm ci --silent --no-audit --no-fund
	@touch $@

lint: setup web-check ## check style, and that the built dashboard is what its source builds
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check --quiet $(SOURCES)

types: setup $(NODE_INSTALLED) ## check types, in Python and TypeScript
	@$(BIN)/mypy
	@cd web && npm run --silent check

web: $(NODE_INSTALLED) ## build the dashboard into the package
	@cd web && npm run --silent build

web-check: $(NODE_INSTALLED)
	@built=$$(mktemp -d) && trap 'rm -r "$$built"' EXIT && \
	(cd web && node build.mjs "$$built" >/dev/null) && \
	diff -r "$$built" src/fedsight/dashboard/static \
	  || { echo "the built dashboard is not what web/ builds: run make web" >&2; exit 1; }

docs: setup ## check that the documentation covers what there is
	@$(BIN)/python -m pytest -q tests/test_docs.py

bench: setup $(BENCH_INSTALLED) ## measure everything against its peers, and write a table
	@$(BIN)/python -m benchmarks

$(BENCH_INSTALLED): requirements-bench.lock $(INSTALLED)
	@$(PIP) install -r requirements-bench.lock
	@touch $@

lock: ## write requirements.lock anew, from pyproject.toml in a fresh environment
	@scripts/lock "$(PYTHON)" dev > requirements.lock.new
	@mv requirements.lock.new requirements.lock

clean: ## remove what was built and installed here
	@rm -rf $(VENV) build web/node_modules .pytest_cache .mypy_cache .ruff_cache
