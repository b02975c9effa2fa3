"""One torch thread a process: two are slower on tiny tensors (spin barriers)."""

import os
import signal

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

torch.set_num_threads(1)
# How long drawing takes says more of the machine than of the test.
slow = [HealthCheck.too_slow]
settings.register_profile("spro", deadline=None, derandomize=True, suppress_health_check=slow)
settings.load_profile("spro")
# Hypothesis draws numbers of the package's source too, from the modules that are imported by then: a test would have
# other examples behind other tests.
NO_CONSTANTS = providers.Constants()
providers._get_local_constants = lambda: NO_CONSTANTS

# A shell without job control starts its background jobs with SIGINT ignored, and nohup starts all with SIGHUP ignored,
# which all that they start inherits: the tests of Ctrl-C would wait for ever, those of a closed terminal see nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
