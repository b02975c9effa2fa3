"""One torch thread a process, no network, and the same random batches every time."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["VERL_USE_EXTERNAL_PLUGINS"] = "none"

import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)
# How long drawing takes says more of the machine than of the test.
slow = [HealthCheck.too_slow]
settings.register_profile("parity", deadline=None, derandomize=True, max_examples=100, suppress_health_check=slow)
settings.load_profile("parity")
