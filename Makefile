# Two commands from a bare checkout: `make train` and `make test`. Both set up all by themselves in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread a process: on tiny tensors, spin barriers make two up to five times slower.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM = false

.PHONY: train test lint warm-start wheel clean

train: $(VENV)/.run
	$(BIN)/spro train

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 -q

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

# Regenerates the shipped weights; about six minutes.
warm-start: $(VENV)/.run
	$(BIN)/python -m spro.lab.warm_start src/spro/assets/chain

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel --no-isolation

# torch first and by its exact version: an open range draws the build with gigabytes of CUDA.
$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
