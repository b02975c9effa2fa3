"""The registry, and errors that name what is wrong with a batch."""

import subprocess
import sys

from spro.credit import GRPO, METHODS, RLOO, SPRO

WRONG = {
    "group_ids has the shape [2], expected [4] beside response_mask [4, 3]": "group_ids=torch.zeros(2, dtype=int)",
    "old_log_probs has the shape [4, 2], expected [4, 3] beside response_mask [4, 3]": "old_log_probs=torch.ones(4, 2)",
    "response_mask must be bool, got float32: cast it": "response_mask=torch.ones(4, 3)",
    "step_rewards or step_values and step_mask go together; one of them is missing": "step_rewards=torch.zeros(4, 2)",
    "outcome_rewards must be float32 or float64, got int64: cast it": "outcome_rewards=torch.zeros(4, dtype=int)",
    "old_log_probs must be float32 or float64, got float16: cast it": "old_log_probs=torch.zeros(4, 3).half()",
    "group_ids must be int64 or int32, got float32: cast it": "group_ids=torch.zeros(4)",
    "outcome_rewards must be a tensor, got a list": "outcome_rewards=[0.0] * 4",
    "outcome_rewards[2] is nan; drop what could not be scored": "outcome_rewards=torch.tensor([0, 1, math.nan, 0])",
    "step_ids go up to 3, and there are 3 step slots; they count from 0": "step_ids=torch.full((4, 3), 3)",
    "response_mask must be [B, T] with at least one response and one position, got [0, 3]": (
        "response_mask=torch.ones(0, 3, dtype=bool)"
    ),
}


def test_a_wrong_batch_is_one_line_that_names_the_tensor_without_the_type_checks_of_the_tests() -> None:
    program = f"""
import math, torch
from spro.credit import TokenBatch
from spro.errors import BatchError
mask = torch.ones(4, 3, dtype=bool)
good = dict(response_mask=mask, group_ids=torch.zeros(4, dtype=int), outcome_rewards=torch.zeros(4))
TokenBatch(**good)
for change in ({", ".join(f"dict({change})" for change in WRONG.values())}):
    try:
        TokenBatch(**good | change)
    except BatchError as error:
        print(error)
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines() == list(WRONG)


def test_methods_are_known_by_their_names() -> None:
    assert {"spro", "grpo", "rloo", "prime", "ppo"} <= set(METHODS)
    assert all(method.name == name for name, method in METHODS.items())
    assert SPRO.needs == {"old_log_probs", "ref_log_probs"}
    assert GRPO.needs == RLOO.needs == set()
