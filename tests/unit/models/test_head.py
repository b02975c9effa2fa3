"""What is found out about a model's last layer, and that nothing is taken for granted about it."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps

import pytest
import torch
from peft import LoraConfig
from torch import nn
from transformers import PreTrainedModel

from spro.models import Sequences, checkpointed, response_log_probs, score_responses
from spro.models.head import linear_head
from spro.models.linear import Bend
from tests.unit.models.architectures import ARCHITECTURES, make
from tests.unit.models.test_scoring import SEQUENCES, gradients, plain_scores

EXPECTED = {
    "gemma2, capped": Bend(cap=2.0),
    "gemma3, capped": Bend(cap=2.0),
    "nanochat, capped": Bend(cap=2.0),
    "granite, scaled": Bend(scale=1 / 8),
    "hyperclova x, scaled": Bend(scale=0.5),
    "cohere, scaled": Bend(scale=0.25),
    "cohere2, scaled": Bend(scale=0.25),
}


def bend_of(model: PreTrainedModel) -> Bend | None:
    found = linear_head(model)
    return None if found is None else found[1]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_every_architecture_has_a_linear_head_in_every_precision(name: str, dtype: torch.dtype) -> None:
    assert bend_of(make(name).to(dtype)) == EXPECTED.get(name, Bend())


def test_in_half_precision_a_scale_near_one_is_seen() -> None:
    model = make("granite, scaled").bfloat16()
    model.config.logits_scaling = 1.02
    assert bend_of(model) == Bend(scale=1 / 1.02)


@contextmanager
def counted_forwards(model: PreTrainedModel) -> Iterator[list[int]]:
    counts: list[int] = []
    handle = model.register_forward_hook(lambda *_: counts.append(1))
    yield counts
    handle.remove()


def assert_scores_are_plain(model: PreTrainedModel, sequences: Sequences = SEQUENCES) -> None:
    scores = score_responses(model, sequences, 0.7)
    log_probs, entropy = plain_scores(model, sequences, 0.7)
    torch.testing.assert_close(scores.log_probs, log_probs.float(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(scores.entropy, entropy.float(), rtol=1e-6, atol=1e-6)
    packed = response_log_probs(model, sequences, 0.7, 20)
    torch.testing.assert_close(packed, log_probs.float(), rtol=1e-6, atol=1e-6)
    expected = gradients(model, log_probs, entropy)
    found = gradients(model, scores.log_probs, scores.entropy)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-5, msg=name)


def test_the_probe_runs_once_and_then_the_whole_model_never() -> None:
    model = make("qwen2")
    with counted_forwards(model) as counts:
        for _ in range(3):
            score_responses(model, SEQUENCES, 1.0)
        response_log_probs(model, SEQUENCES, 1.0, 10)
        assert len(counts) == 1


def test_a_copy_is_probed_by_itself() -> None:
    model = make("granite, scaled")
    assert bend_of(model) == Bend(scale=1 / 8)
    other = copy.deepcopy(model)
    other.config.logits_scaling = 4.0
    assert bend_of(other) == Bend(scale=1 / 4)


def test_the_probe_leaves_modes_gradients_and_random_numbers_alone() -> None:
    model = make("gpt2, tied")
    model.train()
    model.transformer.h[0].eval()
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    assert linear_head(model) is not None
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.lm_head._forward_hooks


class Squared(nn.Module):
    """A last layer that is not linear."""

    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.inner(states).square()


def test_a_last_layer_that_is_not_linear_is_scored_by_the_model_itself() -> None:
    model = make("llama")
    model.lm_head = Squared(model.lm_head)
    assert linear_head(model) is None
    assert_scores_are_plain(model)


def test_a_hook_on_the_last_layer_is_obeyed() -> None:
    model = make("llama")
    assert linear_head(model) is not None
    model.lm_head.register_forward_hook(lambda _, __, output: output * 2.0)
    assert_scores_are_plain(model)


@pytest.mark.parametrize(
    "patch",
    [
        lambda logits: logits + torch.arange(logits.shape[-1]) / 10,
        lambda logits: torch.nn.functional.pad(logits, (0, 1)),
        lambda logits: logits.mul_(3.0),
    ],
)
def test_what_a_model_does_behind_the_layer_and_says_nowhere(patch) -> None:
    model = make("llama")
    original = type(model).forward

    class Odd(type(model)):
        def forward(self, input_ids=None, attention_mask=None, position_ids=None, use_cache=None, logits_to_keep=0):
            output = original(self, input_ids, attention_mask, position_ids, use_cache=use_cache)
            kept = output.logits[:, -logits_to_keep:] if logits_to_keep else output.logits
            output.logits = patch(kept)
            return output

    model.__class__ = Odd
    assert linear_head(model) is None
    assert_scores_are_plain(model)


def test_a_model_that_changes_the_states_before_the_layer() -> None:
    model = make("llama")

    # Only what the whole model does differs from what its decoder does alone.
    inner = model.model.forward
    whole = model.forward
    scale = [1.0]

    @wraps(inner)
    def scaled(*arguments, **settings):
        output = inner(*arguments, **settings)
        output.last_hidden_state = output.last_hidden_state * scale[0]
        return output

    def outer(*arguments, **settings):
        scale[0] = 2.0
        try:
            return whole(*arguments, **settings)
        finally:
            scale[0] = 1.0

    model.model.forward, model.forward = scaled, outer
    assert linear_head(model) is None
    assert_scores_are_plain(model)


def test_a_replaced_layer_is_read_at_each_call() -> None:
    model = make("llama")
    score_responses(model, SEQUENCES, 1.0)
    model.resize_token_embeddings(70)
    assert_scores_are_plain(model)


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "down_proj"], ["q_proj", "lm_head"]])
@pytest.mark.parametrize("probed_before", [True, False])
def test_adapters_in_the_layers_or_in_the_head(targets: str | list[str], probed_before: bool) -> None:
    model = make("qwen2")
    if probed_before:
        assert linear_head(model) is not None
    model.add_adapter(LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
    assert (linear_head(model) is None) == ("lm_head" in targets)
    assert_scores_are_plain(model)
    with torch.no_grad():
        on = response_log_probs(model, SEQUENCES, 1.0, 100)
        model.disable_adapters()
        off = response_log_probs(model, SEQUENCES, 1.0, 100)
    torch.testing.assert_close(off, response_log_probs(make("qwen2"), SEQUENCES, 1.0, 100))
    assert not torch.allclose(on, off)


@pytest.mark.parametrize("name", ["qwen2", "gemma2, capped", "gpt2, tied"])
def test_checkpointed_layers_give_the_same_gradient(name: str) -> None:
    model = make(name)
    plain = score_responses(model, SEQUENCES, 1.0)
    expected = gradients(model, plain.log_probs, plain.entropy)
    with checkpointed(model):
        scores = score_responses(model, SEQUENCES, 1.0)
        found = gradients(model, scores.log_probs, scores.entropy)
    for parameter, gradient in expected.items():
        torch.testing.assert_close(found[parameter], gradient)


def test_under_autocast_the_product_is_in_its_precision_and_the_gradient_in_the_weight_s() -> None:
    model = make("qwen2").float()
    row = SEQUENCES.select([1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = score_responses(model, row, 1.0)
        packed = response_log_probs(model, row, 1.0, 100)
        log_probs, entropy = plain_scores(model, row, 1.0)
    torch.testing.assert_close(scores.log_probs, log_probs, rtol=0, atol=1e-5)
    torch.testing.assert_close(scores.entropy, entropy, rtol=0, atol=1e-5)
    assert torch.equal(packed, scores.log_probs)
    found = gradients(model, scores.log_probs, scores.entropy)
    expected = gradients(model, log_probs, entropy)
    for name, gradient in expected.items():
        assert found[name].dtype == torch.float32
        assert torch.cosine_similarity(found[name].flatten(), gradient.flatten(), dim=0) > 0.99
