# Every target sets up .venv by itself; nothing but python3 (>= 3.11), pip and a C++ compiler is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test test-all check lint types format clean lock licences audit sbom

setup: $(STAMP)

# Every file is checked against its hash, but for PyTorch, whose builds differ by machine.
$(STAMP): pyproject.toml requirements.lock constraints.txt CMakeLists.txt $(wildcard src/native/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check --quiet
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/rapidnn demo --out out/demo

test: $(STAMP)
	$(BIN)/pytest -m 'not slow' -n 2

test-all: $(STAMP)
	$(BIN)/pytest -n 2

check: lint types test

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The tools of the targets below have an environment of their own: what they need is no business of the project's.
TOOLS := build/tools
$(TOOLS)/.installed: Makefile
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet uv==0.13.9 pip-audit==2.10.1
	touch $@

# requirements.lock and constraints.txt anew; LOCK='--upgrade' for newer versions, LOCK='--upgrade NAME' for one.
lock: $(TOOLS)/.installed
	$(TOOLS)/bin/python scripts/lock.py $(LOCK)

# Licences of everything locked, as installed.
licences: $(STAMP)
	$(BIN)/python scripts/inventory.py licences docs/licences.md

# Known vulnerabilities of the locked versions; asks the index's advisories.
audit: $(TOOLS)/.installed
	$(TOOLS)/bin/pip-audit --disable-pip --require-hashes --requirement requirements.lock

# A bill of materials (CycloneDX) for a release.
sbom: $(STAMP)
	$(BIN)/python scripts/inventory.py sbom dist

clean:
	rm -rf $(VENV) build out dist
