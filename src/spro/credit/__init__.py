"""Credit assignment as an algebra: tensors in, tensors out.

A method is one choice of source, flow, baseline and sum; each is a small pure function here, and a method is a file
that composes them. Nothing in this package knows of configs, models, files or randomness.
"""

from spro.credit.batch import TokenBatch
from spro.credit.methods import METHODS, Credit, Method
from spro.credit.methods.grpo import GRPO
from spro.credit.methods.ppo import PPO
from spro.credit.methods.prime import PRIME
from spro.credit.methods.rloo import RLOO
from spro.credit.methods.spro import SPRO

__all__ = ["GRPO", "METHODS", "PPO", "PRIME", "RLOO", "SPRO", "Credit", "Method", "TokenBatch"]
