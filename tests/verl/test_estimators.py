"""Every method through verl's own call of an estimator gives what the method gives."""

from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from verl import DataProto
from verl.trainer.ppo.core_algos import get_adv_estimator_fn
from verl.trainer.ppo.ray_trainer import compute_advantage

from spro.credit import METHODS, TokenBatch
from spro.errors import BatchError, ConfigError
from spro.plugins.verl.estimators import ESTIMATORS
from spro.plugins.verl.registration import missing
from spro.plugins.verl.tensors import Scores, carried

LENGTHS = torch.tensor([5, 2, 3, 1, 4, 5])
MASK = torch.arange(5) < LENGTHS[:, None]
HOLES = MASK & ~torch.tensor([[False, True, False, True, False]]).logical_and(LENGTHS[:, None] > 3)
"""Inside of long responses, as a tool's tokens lie, or those that verl's rejection sampling masks out."""
UIDS = np.array(["b", "a", "b", "a", "b", "a"], dtype=object)
OUTCOMES = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.5, 0.0])


def random_scores() -> Scores:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: -3 * torch.rand(MASK.shape, generator=generator) for name in ("old_log_probs", "ref_log_probs", "values")
    }
    return Scores({**tensors, "token_ids": torch.randint(0, 3, MASK.shape, generator=generator)})


def proto(mask: torch.Tensor = MASK, uids: np.ndarray = UIDS, outcomes: torch.Tensor = OUTCOMES) -> DataProto:
    last = torch.nn.functional.one_hot((mask.sum(1) - 1).clamp(min=0), mask.shape[1])
    tensors = {"response_mask": mask.long(), "token_level_rewards": outcomes[:, None] * last}
    return DataProto.from_dict(tensors=tensors, non_tensors={"uid": uids})


def advantages(name: str, data: DataProto, scores: Scores, **settings: Any) -> torch.Tensor:
    config = OmegaConf.create({"adv_estimator": name, "spro": settings})
    with carried(scores):
        return compute_advantage(data, adv_estimator=name, config=config).batch["advantages"]


def test_the_entry_point_registered_everything() -> None:
    assert missing() == []
    assert len(ESTIMATORS) == 22
    assert {"spro", "spro_scaled", "spro_grpo", "spro_ppo"} <= ESTIMATORS.keys()


@pytest.mark.parametrize("mask", [MASK, HOLES], ids=["whole", "with tool tokens"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_is_its_method(name: str, mask: torch.Tensor) -> None:
    method, scores = ESTIMATORS[name].method, random_scores()
    settings = {key: 1.0 for key, default in method.hyper_parameters().items() if default == "required"}
    batch = TokenBatch(
        response_mask=mask,
        group_ids=torch.tensor([1, 0, 1, 0, 1, 0]),
        outcome_rewards=OUTCOMES,
        **{need: scores.tensors[need] for need in method.needs},
    )
    data = proto(mask)
    torch.testing.assert_close(advantages(name, data, scores, **settings), method(**settings)(batch), rtol=0, atol=0)
    torch.testing.assert_close(data.batch["returns"], method(**settings).returns(batch), rtol=0, atol=0)
    assert f"credit/{next(iter(method(**settings).terms(batch)))}_std" in scores.log


@pytest.mark.parametrize("name", ESTIMATORS)
def test_padding_rows_of_verl_change_nothing(name: str) -> None:
    method, scores = ESTIMATORS[name].method, random_scores()
    settings = {key: 1.0 for key, default in method.hyper_parameters().items() if default == "required"}
    alone = advantages(name, proto(), scores, **settings)
    padded = Scores({key: torch.cat([tensor, tensor[:2]]) for key, tensor in scores.tensors.items()})
    mask = torch.cat([MASK, torch.zeros(2, 5, dtype=torch.bool)])
    data = proto(mask, np.array([*UIDS, "pad1", "pad2"], dtype=object), torch.cat([OUTCOMES, torch.zeros(2)]))
    both = advantages(name, data, padded, **settings)
    torch.testing.assert_close(both[:6], alone, rtol=0, atol=0)
    assert not both[6:].any()


def test_a_response_that_rejection_sampling_masks_out_leaves_its_group() -> None:
    scores, rejected = random_scores(), MASK.clone()
    rejected[2] = False
    kept = [row for row in range(6) if row != 2]
    without = Scores({name: tensor[kept] for name, tensor in scores.tensors.items()})
    expected = advantages("spro", proto(MASK[kept], UIDS[kept], OUTCOMES[kept]), without)
    found = advantages("spro", proto(rejected), scores)
    torch.testing.assert_close(found[kept], expected, rtol=0, atol=0)
    assert not found[2].any()


def test_hyper_parameters_reach_the_method() -> None:
    scores = random_scores()
    weak, strong = (advantages("spro", proto(), scores, beta=beta) for beta in (0.0, 0.5))
    torch.testing.assert_close(weak, advantages("spro_grpo", proto(), scores))
    assert (strong - weak).abs().max() > 0.1


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"betta": 0.1}, r"unknown key 'algorithm.spro.betta' for the credit method 'spro'; did you mean 'beta'\?"),
        ({"beta": -1.0}, "beta"),
        ({"beta": "much"}, "algorithm.spro.beta is 'much'"),
    ],
)
def test_an_impossible_hyper_parameter_is_named(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        advantages("spro", proto(), random_scores(), **settings)


def test_a_trainer_that_hands_nothing_over_is_named() -> None:
    with pytest.raises(ConfigError, match="'spro', which needs old_log_probs, ref_log_probs, and this trainer"):
        compute_advantage(proto(), adv_estimator="spro", config=OmegaConf.create({}))
    compute_advantage(proto(), adv_estimator="spro_grpo", config=OmegaConf.create({}))


def test_a_reward_that_is_no_number_is_an_error() -> None:
    with pytest.raises(BatchError, match=r"outcome_rewards\[1\] is nan"):
        advantages("spro", proto(outcomes=torch.tensor([1.0, float("nan"), 0, 0, 0, 0])), random_scores())


def test_our_grpo_is_verls() -> None:
    ours = advantages("spro_grpo", proto(), random_scores())
    theirs = compute_advantage(proto(), adv_estimator="grpo", config=OmegaConf.create({})).batch["advantages"]
    torch.testing.assert_close(ours, theirs)


def test_no_name_of_verl_is_taken() -> None:
    for name in ("grpo", "rloo", "gae", "opo", "gpg", "remax"):
        assert get_adv_estimator_fn(name) not in ESTIMATORS.values()
    assert "remax" in METHODS
    assert "spro_remax" not in ESTIMATORS, "verl computes no greedy rewards"
