"""The reference: exact weights after each kind of update, and a policy that nothing touches."""

import copy

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from spro.config import ReferenceConfig
from spro.credit import GRPO, SPRO
from spro.train.experience import Scorer
from spro.train.reference import Frozen, MovingAverage, Periodic, ReferenceUpdate, build_reference
from tests.models import tiny_model
from tests.unit.train.builders import make_group

GROUPS = [make_group(i, [1.0, 0.0, 0.5]) for i in range(2)]


def scorer(update: ReferenceUpdate, needs: frozenset[str] = SPRO.needs) -> Scorer:
    """With a policy that has moved since the reference was made."""
    made = Scorer(tiny_model("qwen2"), needs, 1.0, 8, update)
    move(made)
    return made


@torch.no_grad()
def move(made: Scorer) -> None:
    for index, parameter in enumerate(made.policy.parameters()):
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index)), alpha=0.05)


def weights(made: Scorer, name: str) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in made.models[name].parameters()]


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("update", [Frozen(), Periodic(1), Periodic(2), MovingAverage(0.9)])
def test_the_policy_is_never_touched(update: ReferenceUpdate) -> None:
    made = scorer(update)
    before = weights(made, "old_log_probs")
    made.follow(2)
    assert same(weights(made, "old_log_probs"), before)
    assert not any(parameter.requires_grad for parameter in made.models["ref_log_probs"].parameters())


def test_a_frozen_reference_stays_to_the_bit() -> None:
    made = scorer(Frozen())
    before = weights(made, "ref_log_probs")
    made.follow(1)
    assert same(weights(made, "ref_log_probs"), before)
    assert not same(before, weights(made, "old_log_probs"))


def test_a_periodic_reference_is_a_copy_every_so_many_steps() -> None:
    made = scorer(Periodic(3))
    before = weights(made, "ref_log_probs")
    for step in (1, 2):
        made.follow(step)
        assert same(weights(made, "ref_log_probs"), before)
    made.follow(3)
    assert same(weights(made, "ref_log_probs"), weights(made, "old_log_probs"))
    move(made)
    assert not same(weights(made, "ref_log_probs"), weights(made, "old_log_probs")), "a copy and not the policy itself"


def test_behind_a_copy_there_is_no_process_term() -> None:
    made = scorer(Periodic(1))
    assert SPRO().assign(made.score(GROUPS, 0).batch).terms["msa"].abs().max() > 0
    made.follow(1)
    batch = made.score(GROUPS, 0).batch
    assert torch.equal(SPRO()(batch), GRPO()(batch))


def test_a_moving_average_has_exactly_its_weights() -> None:
    made = scorer(MovingAverage(0.75))
    start, first = weights(made, "ref_log_probs"), weights(made, "old_log_probs")
    made.follow(1)
    move(made)
    second = weights(made, "old_log_probs")
    made.follow(2)
    for ref, a, b, c in zip(weights(made, "ref_log_probs"), start, first, second, strict=True):
        expected = 0.75**2 * a.double() + 0.75 * 0.25 * b.double() + 0.25 * c.double()
        torch.testing.assert_close(ref.double(), expected, rtol=0, atol=1e-6)


def test_without_memory_a_moving_average_is_a_copy() -> None:
    made = scorer(MovingAverage(0.0))
    made.follow(1)
    assert same(weights(made, "ref_log_probs"), weights(made, "old_log_probs"))


def test_without_a_reference_nothing_happens() -> None:
    made = scorer(Periodic(1), needs=GRPO.needs)
    before = copy.deepcopy(made.policy.state_dict())
    made.follow(1)
    assert set(made.models) == {"old_log_probs"}
    assert all(torch.equal(a, b) for a, b in zip(before.values(), made.policy.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({}, Frozen()),
        ({"type": "frozen"}, Frozen()),
        ({"type": "periodic", "every": 5}, Periodic(5)),
        ({"type": "ema"}, MovingAverage(0.99)),
    ],
)
def test_the_settings_name_a_behaviour(section: dict[str, object], expected: object) -> None:
    assert build_reference(TypeAdapter(ReferenceConfig).validate_python(section)) == expected
