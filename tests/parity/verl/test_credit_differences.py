"""Where our credit methods differ from verl 0.9.1 on purpose: each difference by name, with both numbers.

Where verl changed its mind and now agrees, that is held too.
"""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from ragged import batch_of
from verl.trainer.ppo import core_algos
from verl.utils.torch_functional import masked_whiten

from spro.credit import METHODS
from spro.credit.baselines import whitened

KEEPS_THE_RAW_SCORE = {
    "grpo": ("grpo", {}),
    "dr_grpo": ("grpo", {"norm_adv_by_std_in_grpo": False}),
    "rloo": ("rloo", {}),
    "opo": ("opo", {}),
    "gpg_verl": ("gpg", {}),
}


@pytest.mark.parametrize("name", KEEPS_THE_RAW_SCORE)
def test_a_group_of_one_gets_0_and_not_its_raw_score(name: str) -> None:
    batch = batch_of([0.5], [0], [[1, 1]])
    estimator, arguments = KEEPS_THE_RAW_SCORE[name]
    theirs, _ = core_algos.get_adv_estimator_fn(estimator)(
        batch.token_level_rewards.clone(), batch.response_mask, index=batch.index, **arguments
    )
    assert METHODS[name]()(batch.ours).tolist() == [[0.0, 0.0]]
    assert theirs.flatten().tolist() == pytest.approx([0.5, 0.5], abs=1e-6)


def test_a_group_of_one_gets_0_from_the_vectorized_rloo_too() -> None:
    batch = batch_of([0.5], [0], [[1, 1]])
    theirs, _ = core_algos.compute_rloo_vectorized_outcome_advantage(
        batch.token_level_rewards, batch.response_mask, index=batch.index
    )
    assert METHODS["rloo"]()(batch.ours).tolist() == theirs.tolist() == [[0.0, 0.0]]


def test_a_group_of_one_does_not_lift_reinforce_plus_plus_baseline() -> None:
    """verl centers nothing in a group of one, so its raw score of 1 is whitened against the 0 of the other groups."""
    batch = batch_of([1.0, 1.0, 1.0], [0, 0, 1], [[1], [1], [1]])
    theirs, _ = core_algos.compute_reinforce_plus_plus_baseline_outcome_advantage(
        batch.token_level_rewards, batch.response_mask, index=batch.index
    )
    assert METHODS["reinforce_plus_plus_baseline"]()(batch.ours).flatten().tolist() == [0.0, 0.0, 0.0]
    assert theirs.flatten().tolist() == pytest.approx([-0.57735, -0.57735, 1.15470], abs=1e-5)


def test_the_deviation_is_unbiased_and_1e_6_is_added_to_it_as_in_verl() -> None:
    batch = batch_of([1.0, 0.0], [0, 0], [[1], [1]])
    theirs, _ = core_algos.compute_grpo_outcome_advantage(
        batch.token_level_rewards, batch.response_mask, index=batch.index
    )
    ours = METHODS["grpo"]()(batch.ours)
    unbiased, biased = 0.5 / (0.5**0.5 + 1e-6), 0.5 / (0.5 + 1e-6)
    assert ours[0].item() == pytest.approx(unbiased, abs=1e-12)
    assert theirs[0].item() == pytest.approx(unbiased, abs=1e-12)
    assert ours[0].item() != pytest.approx(biased, abs=0.1)


@pytest.mark.parametrize("estimator", ["grpo", "grpo_vectorized"])
def test_a_group_of_equal_rewards_gets_0_where_verl_divides_its_rounding_by_1e_6(estimator: str) -> None:
    """In float32, in which rewards come: the mean of three times 0.9 is not 0.9."""
    batch = batch_of([0.9] * 3, [0] * 3, [[1]] * 3)
    rewards = batch.token_level_rewards.float()
    theirs, _ = core_algos.get_adv_estimator_fn(estimator)(
        token_level_rewards=rewards, response_mask=batch.response_mask, index=batch.index
    )
    ours = METHODS["grpo"]()(replace(batch.ours, outcome_rewards=batch.ours.outcome_rewards.float()))
    assert ours.flatten().tolist() == [0.0, 0.0, 0.0]
    assert theirs.flatten().tolist() == pytest.approx([0.05555] * 3, abs=1e-4)


def test_a_tool_token_does_not_cut_the_return_of_reinforce_plus_plus_since_verl_carries_it_too() -> None:
    """Releases up to early 2026 multiplied the running return by the mask; 0.9.1 does not."""
    batch = batch_of([1.0, 0.0], [0, 1], [[1, 0, 1], [1, 0, 1]])
    theirs, _ = core_algos.compute_reinforce_plus_plus_outcome_advantage(
        batch.token_level_rewards, batch.response_mask, config=SimpleNamespace(gamma=1.0)
    )
    same = torch.zeros(2, 3, dtype=torch.float64)
    ours = METHODS["reinforce_plus_plus"]()(replace(batch.ours, old_log_probs=same, ref_log_probs=same))
    expected = [[0.8660, 0.0, 0.8660], [-0.8660, 0.0, -0.8660]]
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(theirs, ours)


def test_whitening_a_single_token_gives_0_and_no_error() -> None:
    values, mask = torch.tensor([[3.0, 0.0]]), torch.tensor([[1, 0]])
    assert whitened(values, mask.bool()).tolist() == [[0.0, 0.0]]
    with pytest.raises(ValueError, match="sum of the mask is one"):
        masked_whiten(values, mask)


def test_gae_is_0_off_the_mask_where_verl_leaves_numbers() -> None:
    batch = batch_of([1.0, 0.0], [0, 0], [[1, 0, 1], [1, 0, 0]])
    values = torch.full((2, 3), 0.25, dtype=torch.float64)
    theirs, _ = core_algos.compute_gae_advantage_return(
        batch.token_level_rewards, values, batch.response_mask, gamma=1.0, lam=1.0
    )
    ours = METHODS["ppo"]()(replace(batch.ours, values=values))
    assert ours[:, 1].tolist() == [0.0, 0.0]
    assert theirs[:, 1].tolist() == pytest.approx([0.57735, -0.72169], abs=1e-5)
    torch.testing.assert_close(ours[batch.response_mask == 1], theirs[batch.response_mask == 1])


def test_remax_is_0_at_a_tool_token_where_verl_leaves_the_return() -> None:
    batch = batch_of([1.0], [0], [[1, 0, 1]])
    greedy = torch.tensor([0.25], dtype=torch.float64)
    theirs, _ = core_algos.compute_remax_outcome_advantage(batch.token_level_rewards, greedy, batch.response_mask)
    assert METHODS["remax"]()(replace(batch.ours, greedy_rewards=greedy)).tolist() == [[0.75, 0.0, 0.75]]
    assert theirs.tolist() == [[0.75, 1.0, 0.75]]
