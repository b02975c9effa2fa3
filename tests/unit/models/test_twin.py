"""Copies that learn by themselves: what they share, and that nothing leaks between them."""

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.config import LoraConfig
from spro.models import add_adapters, trainable, twin
from tests.models import tiny_model

TOKENS = torch.arange(1, 19).view(2, 9)


def adapted(family: str) -> PreTrainedModel:
    model = tiny_model(family)
    add_adapters(model, LoraConfig(rank=4), 0, "/base")
    return model


def places(model: PreTrainedModel) -> dict[str, int]:
    return {name: parameter.data_ptr() for name, parameter in model.named_parameters()}


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def learn(model: PreTrainedModel) -> None:
    """One real optimizer step."""
    optimizer = torch.optim.SGD([parameter for _, parameter in trainable(model)], lr=1.0)
    model(input_ids=TOKENS).logits.square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("family", ["llama", "gemma", "gpt2"])
def test_with_adapters_a_twin_shares_every_other_tensor(family: str) -> None:
    model = adapted(family)
    copy = twin(model)
    own, theirs, learning = places(model), places(copy), {name for name, _ in trainable(model)}
    assert {name for name in own if own[name] == theirs[name]} == own.keys() - learning
    assert [name for name, _ in trainable(copy)] == [name for name, _ in trainable(model)]


def test_without_adapters_a_twin_shares_nothing() -> None:
    model = tiny_model("gemma")
    assert not set(places(model).values()) & set(places(twin(model)).values())


@pytest.mark.parametrize("model", [adapted("gemma"), tiny_model("gemma")], ids=["adapters", "whole"])
def test_what_one_learns_the_other_does_not(model: PreTrainedModel) -> None:
    copy = twin(model)
    before = weights(model)
    learn(copy)
    assert all(torch.equal(before[name], weight) for name, weight in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    moved = weights(copy)
    assert any(not torch.equal(moved[name], before[name]) for name, _ in trainable(copy))
    learn(model)
    assert all(torch.equal(moved[name], weight) for name, weight in copy.named_parameters())


def test_a_twin_says_what_the_policy_says_now() -> None:
    model = adapted("llama")
    learn(model)
    with torch.no_grad():
        assert torch.equal(twin(model)(input_ids=TOKENS).logits, model(input_ids=TOKENS).logits)


def test_a_tied_weight_is_trained_once_in_both() -> None:
    model = tiny_model("gemma")
    copy = twin(model)
    assert copy.lm_head.weight is copy.model.embed_tokens.weight
    for each in (model, copy):
        names = [name for name, _ in trainable(each)]
        assert "lm_head.weight" not in names
        assert "model.embed_tokens.weight" in names
