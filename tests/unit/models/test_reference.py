"""What is held of the policy: equal to it at first, unmoved by it, and where the settings put it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from spro.config import (
    EmaReference,
    FrozenReference,
    LoraConfig,
    PeriodicReference,
    ReferenceConfig,
)
from spro.errors import ConfigError, ModelError
from spro.models import MovingCopy, add_adapters, hold_reference, load_policy, trainable
from spro.models.int8 import Int8Linear
from spro.models.reference import OffloadedCopy
from spro.models.twin import copy_sharing
from tests.models import tiny_model

FAMILIES = ["qwen2", "llama", "gemma", "gemma3"]
TOKENS = torch.arange(1, 19).view(2, 9)


def adapted(family: str = "gemma") -> PreTrainedModel:
    model = tiny_model(family)
    add_adapters(model, LoraConfig(rank=4), 0, "/base")
    return model


@torch.no_grad()
def move(model: PreTrainedModel, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in trainable(model):
        parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.dtype), alpha=0.1)


@torch.no_grad()
def log_probs(model: PreTrainedModel) -> Tensor:
    logits: Tensor = model(input_ids=TOKENS).logits
    return logits.float().log_softmax(-1)


def read(ready: Callable[[], AbstractContextManager[PreTrainedModel]]) -> Tensor:
    with ready() as model:
        return log_probs(model)


@pytest.mark.parametrize("make", [lambda: tiny_model("gemma"), adapted], ids=["whole", "adapters"])
@pytest.mark.parametrize(
    "section",
    [
        FrozenReference(),
        FrozenReference(device="cpu"),
        PeriodicReference(type="periodic", every=1),
        EmaReference(type="ema"),
    ],
    ids=["frozen", "on the host", "periodic", "average"],
)
def test_it_is_the_policy_as_it_was(section: ReferenceConfig, make: Callable[[], PreTrainedModel]) -> None:
    policy = make()
    before = log_probs(policy)
    reference = hold_reference(policy, section)
    move(policy)
    assert torch.equal(read(reference.ready), before)
    assert not torch.equal(log_probs(policy), before)
    with reference.ready() as model:
        assert not any(p.requires_grad for n, p in model.named_parameters() if "lora" not in n)


def test_with_adapters_nothing_is_held() -> None:
    policy = adapted()
    with hold_reference(policy, FrozenReference()).ready() as model:
        assert model is policy


def devices(model: PreTrainedModel) -> set[str]:
    return {parameter.device.type for parameter in model.parameters()}


@pytest.mark.parametrize("weights", ["same", "int8"])
def test_an_offloaded_copy_is_on_the_device_while_it_is_read(weights: str) -> None:
    policy = tiny_model("gemma")
    held = hold_reference(policy, FrozenReference(device="cpu", weights=weights))
    assert isinstance(held, OffloadedCopy)
    with held.ready() as copy:
        expected = log_probs(copy)
        # A device that holds no numbers shows what moves there and what comes back.
        reference = OffloadedCopy(copy_sharing(copy, copy.parameters()), torch.device("meta"))
    with reference.ready() as model:
        assert devices(model) == {"meta"}
        assert model.lm_head.weight is model.model.embed_tokens.weight, "tied weights are moved as one"
    assert devices(model) == {"cpu"}
    assert torch.equal(log_probs(model), expected)
    with pytest.raises(KeyError), reference.ready():
        raise KeyError
    assert devices(model) == {"cpu"}


def test_an_offloaded_copy_has_no_memory_of_the_policy() -> None:
    policy = tiny_model("gemma")
    with hold_reference(policy, FrozenReference(device="cpu")).ready() as model:
        assert not {p.data_ptr() for p in model.parameters()} & {p.data_ptr() for p in policy.parameters()}
    assert all(parameter.requires_grad for parameter in policy.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_in_8_bits_log_probs_differ_by_a_hundredth(family: str, dtype: torch.dtype) -> None:
    policy = tiny_model(family).to(dtype)
    difference = (read(hold_reference(policy, FrozenReference(weights="int8")).ready) - log_probs(policy)).abs()
    assert 0 < difference.max() < 0.02
    assert difference.mean() < 0.003


def test_in_8_bits_a_trained_model_of_small_layers_differs_by_less_than_a_tenth() -> None:
    policy = load_policy("builtin:chain", "cpu")
    text = torch.tensor([policy.tokenizer.encode("8*2;6;#6"), policy.tokenizer.encode("3+4;7;#7")])
    reference = hold_reference(policy.model, FrozenReference(weights="int8"))
    with torch.no_grad(), reference.ready() as model:
        kept, exact = (m(input_ids=text).logits.log_softmax(-1) for m in (model, policy.model))
    difference = (kept - exact)[:, :-1].gather(-1, text[:, 1:, None]).abs()
    assert difference.max() < 0.1
    assert difference.mean() < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_an_8_bit_weight_is_off_by_at_most_half_a_step_of_its_row(dtype: torch.dtype) -> None:
    linear = nn.Linear(64, 48).to(dtype)
    with torch.no_grad():
        linear.weight[3] = 0
    layer = Int8Linear(linear)
    exact = linear.weight.detach().double()
    off = (layer.weight.double() * layer.scale.double()[:, None] - exact).abs()
    # Half a step by rounding; the largest entry of a row may be cut by what its scale was rounded by.
    assert (off <= 0.502 * exact.abs().amax(dim=1, keepdim=True) / 127 + 1e-30).all()
    assert (layer.scale > 0).all(), "a row of zeros is divided by something"


def test_in_8_bits_there_is_a_quarter_of_the_memory_and_the_head_is_exact() -> None:
    policy = tiny_model("llama")
    with hold_reference(policy, FrozenReference(weights="int8")).ready() as model:
        layers, exact = model.model.layers, policy.model.layers
        held = sum(p.nbytes for p in layers.parameters())
        assert held < 0.4 * sum(p.nbytes for p in exact.parameters()), "rows are 32 and 48 long, so scales weigh"
        assert torch.equal(model.lm_head.weight, policy.lm_head.weight)
        assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in policy.parameters())
    assert type(policy.model.layers[0].mlp.up_proj) is nn.Linear


def test_a_model_with_no_layer_to_hold_in_8_bits() -> None:
    with pytest.raises(ConfigError, match=r"^reference\.weights is 'int8', and GPT2LMHeadModel has no linear layers"):
        hold_reference(tiny_model("gpt2"), FrozenReference(weights="int8"))


@pytest.mark.parametrize(
    "make",
    [lambda: tiny_model("llama"), lambda: adapted("llama"), lambda: tiny_model("llama").to(torch.bfloat16)],
    ids=["whole", "adapters", "bfloat16"],
)
@pytest.mark.parametrize(
    "section", [PeriodicReference(type="periodic", every=1), EmaReference(type="ema")], ids=["periodic", "average"]
)
def test_a_reference_that_moved_is_the_same_in_a_resumed_run(
    section: ReferenceConfig, make: Callable[[], PreTrainedModel]
) -> None:
    policy = make()
    reference, again = hold_reference(policy, section), hold_reference(make(), section)
    assert isinstance(reference, MovingCopy)
    move(policy)
    reference.move(policy, 0.25)
    again.load({name: tensor.clone() for name, tensor in reference.state().items()})
    assert torch.equal(read(again.ready), read(reference.ready))
    assert reference.state().keys() == {name for name, _ in trainable(policy)}


def test_a_frozen_reference_has_nothing_to_keep_and_takes_nothing() -> None:
    reference = hold_reference(tiny_model("llama"), FrozenReference())
    assert reference.state() == {}
    reference.load({})
    with pytest.raises(ModelError, match=r"the saved reference is not one of this run: 1 tensors differ, x"):
        reference.load({"x": torch.zeros(1)})


def test_with_adapters_a_moving_reference_costs_its_adapters() -> None:
    policy = adapted("llama")
    with hold_reference(policy, EmaReference(type="ema")).ready() as model:
        own = {p.data_ptr() for p in model.parameters()} - {p.data_ptr() for p in policy.parameters()}
        assert len(own) == len(trainable(policy))
    assert all(parameter.requires_grad for _, parameter in trainable(policy))


def test_a_slow_average_moves_in_bfloat16_too() -> None:
    policy = tiny_model("llama").to(torch.bfloat16)
    reference = hold_reference(policy, EmaReference(type="ema"))
    assert isinstance(reference, MovingCopy)
    with torch.no_grad():
        for _, parameter in trainable(policy):
            parameter.mul_(1.0625)
    before = read(reference.ready)
    for _ in range(500):
        reference.move(policy, 0.99)
    with reference.ready() as model:
        for (name, live), read_now in zip(trainable(policy), model.parameters(), strict=True):
            torch.testing.assert_close(read_now.detach(), live.detach(), rtol=0.008, atol=0, msg=name)
    assert not torch.equal(read(reference.ready), before)
