"""Numbers worked out by hand, and errors that name what is wrong."""

import math
import subprocess
import sys

import pytest
import torch

from spro.credit import GRPO, METHODS, RLOO, SPRO, TokenBatch
from spro.credit.reduce import first_member, group_mean, group_std, same_step_mean
from spro.errors import BatchError


def batch(**changes: torch.Tensor) -> TokenBatch:
    """The design's situation: two prompts, their members interleaved, one response longer than the others."""
    tensors = {
        "response_mask": torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 0]], dtype=torch.bool),
        "group_ids": torch.tensor([0, 1, 0, 1]),
        "outcome_rewards": torch.tensor([1.0, 1.0, 0.0, 1.0]),
        "old_log_probs": torch.tensor([[-1.0, -1, -1], [-2, 9, 9], [-1, -2, 9], [-1, -1, 9]]),
        "ref_log_probs": torch.tensor([[-2.0, -1, -3], [-2, 9, 9], [-2, -4, 9], [-3, -1, 9]]),
    }
    return TokenBatch(**(tensors | changes))


def test_grpo_by_hand() -> None:
    # Group 0 has the rewards 1 and 0: mean 1/2, unbiased deviation sqrt(1/2). Group 1 has equal rewards.
    a = 0.5 / (math.sqrt(0.5) + 1e-6)
    expected = torch.tensor([[a, a, a], [0, 0, 0], [-a, -a, 0], [0, 0, 0]])
    torch.testing.assert_close(GRPO()(batch()), expected)


def test_rloo_by_hand() -> None:
    rewards = torch.tensor([1.0, 0.0, 4.0, 0.0])
    interleaved = batch(outcome_rewards=rewards, group_ids=torch.tensor([0, 0, 1, 0]))
    assert RLOO()(interleaved)[:, 0].tolist() == [1.0, -0.5, 0.0, -0.5]


def test_spro_process_term_by_hand() -> None:
    # CPR of group 0: [1, 1, 3] and [1, 3]; of group 1: [0] and [2, 2]. Alone at a step: 0.
    expected = 0.5 * torch.tensor([[0.0, -1, 0], [-1, 0, 0], [0, 1, 0], [1, 0, 0]])
    torch.testing.assert_close(SPRO(beta=0.5).terms(batch())["msa"], expected)


def test_appending_a_member_that_died_moves_the_baseline_only_where_it_lived() -> None:
    values = torch.tensor([[1.0, 5.0], [3.0, 0.0]])
    mask = torch.tensor([[True, True], [True, False]])
    assert same_step_mean(values, mask, torch.tensor([0, 0])).tolist() == [[2.0, 5.0], [2.0, 5.0]]


def test_group_of_one() -> None:
    alone = batch(group_ids=torch.tensor([0, 1, 2, 3]))
    for method in (SPRO(), GRPO(), RLOO()):
        assert torch.equal(method(alone), torch.zeros(4, 3))


def test_equal_rewards_that_have_no_exact_mean_give_zero_exactly() -> None:
    rewards = torch.full((7,), 0.1)
    ids = torch.zeros(7, dtype=torch.long)
    assert torch.equal(group_mean(rewards, ids), rewards)
    assert torch.equal(group_std(rewards, ids), torch.zeros(7))


def test_groups_are_named_by_their_first_member() -> None:
    assert first_member(torch.tensor([7, 3, 7, -1, 3])).tolist() == [0, 1, 0, 3, 1]


@pytest.mark.parametrize("missing", ["old_log_probs", "ref_log_probs"])
def test_a_missing_tensor_is_an_error_that_names_method_and_tensor(missing: str) -> None:
    with pytest.raises(BatchError, match=f"'spro' needs {missing}"):
        SPRO()(batch(**{missing: None}))


@pytest.mark.parametrize("beta", [-0.1, math.inf, math.nan])
def test_impossible_beta(beta: float) -> None:
    with pytest.raises(BatchError, match="beta"):
        SPRO(beta=beta)


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
