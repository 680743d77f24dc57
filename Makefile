# Every target sets up .venv by itself; nothing but python3 (>= 3.11), pip and a C++ compiler is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export OMP_NUM_THREADS ?= 1

.PHONY: setup demo test test-all check lint types format clean

setup: $(STAMP)

# cmake and ninja come from the package index too, unless the machine has them.
$(STAMP): pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/native/*)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt scikit-build-core nanobind cmake ninja
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
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

clean:
	rm -rf $(VENV) build out dist
