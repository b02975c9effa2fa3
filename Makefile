# Two commands from a bare checkout: `make train` and `make test`. Both set up all by themselves in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread a process: on tiny tensors, spin barriers make two up to five times slower.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM = false

.PHONY: train test lint parity parity-verl parity-trl warm-start wheel clean

train: $(VENV)/.run
	$(BIN)/spro train

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 -q

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

# Our estimators and losses against the installed code of the peers, each in its own environment, because they want
# different versions of transformers. A peer that cannot be imported is an error.
parity: parity-verl parity-trl

parity-verl: .venv-verl/.run
	.venv-verl/bin/python -m pytest -c tests/parity/pytest.ini -q tests/parity/verl

parity-trl: .venv-trl/.run
	.venv-trl/bin/python -m pytest -c tests/parity/pytest.ini -q tests/parity/trl

.venv-verl/.run: PEER := verl==0.9.1
.venv-trl/.run: PEER := trl==1.16.0
.venv-%/.run: pyproject.toml tests/parity/constraints-%.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --constraint $(word 2,$^) torch==2.13.0
	$(@D)/bin/python -m pip install --quiet --constraint $(word 2,$^) $(PEER) jaxtyping pytest hypothesis
	$(@D)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

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
	rm -rf $(VENV) .venv-verl .venv-trl build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
