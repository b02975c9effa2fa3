"""One torch thread a process: two are slower on tiny tensors (spin barriers)."""

import os
import signal

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("spro", deadline=None, derandomize=True)
settings.load_profile("spro")

# A shell without job control starts its background jobs with SIGINT ignored, and nohup starts all with SIGHUP ignored,
# which all that they start inherits: the tests of Ctrl-C would wait for ever, those of a closed terminal see nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
