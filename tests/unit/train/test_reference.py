"""How the reference follows: exact weights after each kind of update, and a policy that nothing touches."""

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from transformers import PreTrainedModel

from spro.config import LoraConfig, ReferenceConfig
from spro.models import Reference, add_adapters, hold_reference, trainable
from spro.train.reference import Frozen, MovingAverage, Periodic, ReferenceUpdate, build_reference
from tests.models import tiny_model

FROZEN: dict[str, object] = {"type": "frozen"}


def section(settings: dict[str, object]) -> ReferenceConfig:
    found: ReferenceConfig = TypeAdapter(ReferenceConfig).validate_python(settings)
    return found


def start(settings: dict[str, object], lora: bool = False) -> tuple[PreTrainedModel, Reference, ReferenceUpdate]:
    """With a policy that has moved since the reference was made."""
    policy = tiny_model("qwen2")
    if lora:
        add_adapters(policy, LoraConfig(rank=4), 0, "/base")
    reference = hold_reference(policy, section(settings))
    move(policy)
    return policy, reference, build_reference(section(settings))


@torch.no_grad()
def move(policy: PreTrainedModel) -> None:
    for index, (_, parameter) in enumerate(trainable(policy)):
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index)), alpha=0.05)


def weights(model: PreTrainedModel) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def read(reference: Reference) -> list[Tensor]:
    with reference.ready() as model:
        return weights(model)


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


ALL = [FROZEN, {"type": "periodic", "every": 1}, {"type": "periodic", "every": 2}, {"type": "ema", "decay": 0.9}]


@pytest.mark.parametrize("lora", [False, True], ids=["whole", "adapters"])
@pytest.mark.parametrize("settings", ALL, ids=lambda settings: settings["type"])
def test_the_policy_is_never_touched(settings: dict[str, object], lora: bool) -> None:
    policy, reference, update = start(settings, lora)
    before, learning = weights(policy), [name for name, _ in trainable(policy)]
    update.apply(reference, policy, 2)
    assert same(weights(policy), before)
    assert [name for name, _ in trainable(policy)] == learning


def test_a_frozen_reference_stays_to_the_bit() -> None:
    policy, reference, update = start(FROZEN)
    before = read(reference)
    update.apply(reference, policy, 1)
    assert same(read(reference), before)
    assert not same(before, weights(policy))


@pytest.mark.parametrize("lora", [False, True], ids=["whole", "adapters"])
def test_a_periodic_reference_is_a_copy_every_so_many_steps(lora: bool) -> None:
    policy, reference, update = start({"type": "periodic", "every": 3}, lora)
    before = read(reference)
    for step in (1, 2):
        update.apply(reference, policy, step)
        assert same(read(reference), before)
    update.apply(reference, policy, 3)
    assert same(read(reference), weights(policy))
    move(policy)
    assert not same(read(reference), weights(policy)), "a copy and not the policy itself"


@pytest.mark.parametrize("lora", [False, True], ids=["whole", "factors"])
def test_a_moving_average_has_exactly_its_weights(lora: bool) -> None:
    policy, reference, update = start({"type": "ema", "decay": 0.75}, lora)
    begin, first = read(reference), weights(policy)
    update.apply(reference, policy, 1)
    move(policy)
    second = weights(policy)
    update.apply(reference, policy, 2)
    for ref, a, b, c in zip(read(reference), begin, first, second, strict=True):
        expected = 0.75**2 * a.double() + 0.75 * 0.25 * b.double() + 0.25 * c.double()
        torch.testing.assert_close(ref.double(), expected, rtol=0, atol=1e-6)


def test_without_memory_a_moving_average_is_a_copy() -> None:
    policy, reference, update = start({"type": "ema", "decay": 0.0})
    update.apply(reference, policy, 1)
    assert same(read(reference), weights(policy))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Frozen()),
        (FROZEN, Frozen()),
        ({"type": "periodic", "every": 5}, Periodic(5)),
        ({"type": "ema"}, MovingAverage(0.99)),
    ],
)
def test_the_settings_name_a_behaviour(settings: dict[str, object], expected: object) -> None:
    assert build_reference(section(settings)) == expected
