"""The registry, and errors that name what is wrong with a batch."""

import subprocess
import sys

from spro.credit import GRPO, METHODS, RLOO, SPRO


def test_tensors_that_disagree_are_named_without_the_type_checks_of_the_tests() -> None:
    program = """
import torch
from spro.credit import TokenBatch
from spro.errors import BatchError
good = dict(response_mask=torch.ones(4, 3, dtype=torch.bool), group_ids=torch.zeros(4), outcome_rewards=torch.zeros(4))
for change in (
    dict(group_ids=torch.zeros(2)),
    dict(old_log_probs=torch.zeros(4, 2)),
    dict(response_mask=torch.ones(4, 3)),
    dict(step_rewards=torch.zeros(4, 2)),
):
    try:
        TokenBatch(**good | change)
    except BatchError as error:
        print(error)
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == [
        "group_ids has the shape [2], expected [4] beside response_mask [4, 3]",
        "old_log_probs has the shape [4, 2], expected [4, 3] beside response_mask [4, 3]",
        "response_mask must be a bool tensor [B, T], got torch.float32 [4, 3]",
        "step_rewards or step_values and step_mask go together; one of them is missing",
    ]


def test_methods_are_known_by_their_names() -> None:
    assert {"spro", "grpo", "rloo", "prime", "ppo"} <= set(METHODS)
    assert all(method.name == name for name, method in METHODS.items())
    assert SPRO.needs == {"old_log_probs", "ref_log_probs"}
    assert GRPO.needs == RLOO.needs == set()
