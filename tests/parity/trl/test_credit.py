"""Our credit methods against the advantages that TRL 1.16's own trainers compute, generation included."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import GROUP, grpo, rloo
from torch import Tensor

from spro.credit import METHODS, TokenBatch

REWARDS = {
    "right and wrong": [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
    "fractions": [0.125, 0.5, 0.25, 1.0, 0.75, 0.75, 0.0, 0.375],
    "a group that agrees": [0.5, 0.5, 0.5, 0.5, 1.0, 0.0, 0.0, 0.25],
}
PROMPTS = [{"prompt": prompt} for prompt in ("abc", "bca") for _ in range(GROUP)]

each = pytest.mark.parametrize("rewards", REWARDS.values(), ids=REWARDS)


def theirs(trainer: Any) -> tuple[Tensor, TokenBatch]:
    """TRL's advantages, one a response, and the batch that they belong to."""
    output = trainer._generate_and_score_completions(PROMPTS)
    rewards = trainer.reward_funcs[0](output["completion_ids"].tolist())
    batch = TokenBatch(
        response_mask=output["completion_mask"].bool(),
        group_ids=torch.arange(2).repeat_interleave(GROUP),
        outcome_rewards=torch.tensor(rewards),
    )
    return output["advantages"], batch


def assert_same(name: str, hyper_parameters: dict[str, Any], expected: Tensor, batch: TokenBatch) -> None:
    actual = METHODS[name](**hyper_parameters)(batch)
    torch.testing.assert_close(actual, expected[:, None] * batch.response_mask, rtol=1e-6, atol=1e-6)


@each
def test_grpo(rewards: list[float], tmp_path: Path) -> None:
    advantages, batch = theirs(grpo(tmp_path, rewards))
    assert_same("grpo", {"std_eps": 1e-4}, advantages, batch)


@each
def test_dr_grpo(rewards: list[float], tmp_path: Path) -> None:
    advantages, batch = theirs(grpo(tmp_path, rewards, scale_rewards="none"))
    assert_same("dr_grpo", {}, advantages, batch)


@each
def test_rloo(rewards: list[float], tmp_path: Path) -> None:
    advantages, batch = theirs(rloo(tmp_path, rewards))
    assert_same("rloo", {}, advantages, batch)


def test_the_epsilon_of_grpo_is_1e_4_in_trl_and_verls_1e_6_here(tmp_path: Path) -> None:
    advantages, batch = theirs(grpo(tmp_path, REWARDS["right and wrong"]))
    ours = METHODS["grpo"]()(batch)[:, 0]
    deviation = (1 / 3) ** 0.5
    assert ours[0].item() == pytest.approx(0.5 / (deviation + 1e-6), abs=2e-7)
    assert advantages[0].item() == pytest.approx(0.5 / (deviation + 1e-4), abs=2e-7)
    assert ours[0].item() - advantages[0].item() == pytest.approx(1.5e-4, rel=0.02)


def test_batch_scaling_divides_by_the_deviation_of_rewards_and_reinforce_plus_plus_baseline_by_that_of_advantages(
    tmp_path: Path,
) -> None:
    """The nearest of ours: it whitens what is centered, over tokens; TRL takes the rewards, over responses."""
    rewards = REWARDS["fractions"]
    advantages, batch = theirs(grpo(tmp_path, rewards, scale_rewards="batch"))
    centered = METHODS["dr_grpo"]()(batch)[:, 0]
    torch.testing.assert_close(advantages, centered / (torch.tensor(rewards).std() + 1e-4), rtol=1e-6, atol=1e-6)
    ours = METHODS["reinforce_plus_plus_baseline"]()(batch)
    assert not torch.allclose(ours[:, 0], advantages, atol=0.01)
