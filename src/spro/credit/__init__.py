"""Credit assignment as an algebra: tensors in, tensors out.

A method is one choice of source, flow, baseline and sum; each is a small pure function here, and a method is a file
that composes them. Nothing in this package knows of configs, models, files or randomness.
"""

from spro.credit.batch import TokenBatch
from spro.credit.methods import GRPO, METHODS, RLOO, SPRO, Credit, Method

__all__ = ["GRPO", "METHODS", "RLOO", "SPRO", "Credit", "Method", "TokenBatch"]
