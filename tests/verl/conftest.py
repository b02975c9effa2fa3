"""One torch thread a process, no network; each run of verl is shared by all tests that look at it."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# As a user has it, whatever the shell says: the plug-in comes by its entry point.
os.environ.pop("VERL_USE_EXTERNAL_PLUGINS", None)

import pytest
import torch
from runs import Runs

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("verl"))
