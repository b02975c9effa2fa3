"""Gradient checkpointing: the layers are computed again, the gradient is the same, and nothing stays changed."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_layers import GradientCheckpointingLayer

from spro.config import LoraConfig
from spro.errors import ConfigError
from spro.models import add_adapters, checkpointed, twin
from tests.models import SHAPE, tiny_model

FAMILIES = ["qwen2", "llama", "gemma", "gemma3", "gpt2"]
TOKENS = torch.arange(1, 19).view(2, 9)


def layers_of(model: PreTrainedModel) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def gradients(model: PreTrainedModel, saving: bool) -> tuple[dict[str, Tensor], int]:
    """Of a loss with backward behind the block, and how often the first layer's first part was computed."""
    calls = []
    handle = next(layers_of(model)[0].children()).register_forward_hook(lambda *_: calls.append(1))
    model.zero_grad()
    if saving:
        with checkpointed(model):
            loss = model(input_ids=TOKENS, use_cache=False).logits.log_softmax(-1)[..., 3].sum()
    else:
        loss = model(input_ids=TOKENS, use_cache=False).logits.log_softmax(-1)[..., 3].sum()
    loss.backward()
    handle.remove()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}, len(calls)


@pytest.mark.parametrize("adapters", [False, True], ids=["whole", "adapters"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_is_computed_again_and_the_gradient_is_the_same(family: str, adapters: bool) -> None:
    model = tiny_model(family)
    if adapters:
        add_adapters(model, LoraConfig(rank=4), 0, "/base")
    plain, once = gradients(model, saving=False)
    saving, twice = gradients(model, saving=True)
    assert (once, twice) == (1, 2)
    assert plain.keys() == saving.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(saving[name], gradient, rtol=1e-6, atol=1e-6)


def test_what_layers_compute_is_not_kept() -> None:
    model = tiny_model("llama")
    kept = {False: 0, True: 0}
    for saving in kept:

        def count(tensor: Tensor, saving: bool = saving) -> Tensor:
            kept[saving] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            if saving:
                with checkpointed(model):
                    model.base_model(input_ids=TOKENS, use_cache=False)
            else:
                model.base_model(input_ids=TOKENS, use_cache=False)
    assert kept[True] < kept[False] / 5


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_stays_changed_and_decoding_has_its_cache(family: str) -> None:
    model = tiny_model(family)
    before = [dict(module.__dict__) for module in model.modules()]
    told: dict[str, Any] = {"attention_mask": torch.ones_like(TOKENS), "max_new_tokens": 4, "do_sample": False}
    expected = model.generate(TOKENS, **told)
    with pytest.raises(IndexError), checkpointed(model):
        model(input_ids=TOKENS + 1000)
    gradients(model, saving=True)
    after = [module.__dict__ for module in model.modules()]
    assert all(a.keys() == b.keys() for a, b in zip(before, after, strict=True))
    assert not any(module.training for module in model.modules())
    assert torch.equal(model.generate(TOKENS, **told), expected)
    with torch.no_grad():
        assert model(input_ids=TOKENS, use_cache=True).past_key_values.get_seq_length() == TOKENS.shape[1]


@pytest.mark.parametrize(
    "model",
    [
        Qwen2ForCausalLM(Qwen2Config(**SHAPE, vocab_size=320, attention_dropout=0.5)),
        GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, resid_pdrop=0.5, attn_pdrop=0.5, embd_pdrop=0.5)),
    ],
    ids=["attention", "residual"],
)
def test_dropout_stays_off(model: PreTrainedModel) -> None:
    model.eval()
    expected = model(input_ids=TOKENS).logits
    with checkpointed(model):
        assert torch.equal(model(input_ids=TOKENS).logits, expected)
    model.train()
    assert not torch.equal(model(input_ids=TOKENS).logits, expected), "there is dropout to turn on"


def test_the_twin_of_a_model_is_checkpointed_by_itself() -> None:
    model = tiny_model("llama")
    copy = twin(model)
    with checkpointed(model), checkpointed(copy):
        model(input_ids=TOKENS)
    assert gradients(copy, saving=False)[1] == 1


def test_a_model_without_layers_to_checkpoint() -> None:
    class Bare(Qwen2ForCausalLM):
        pass

    model = Bare(Qwen2Config(**SHAPE, vocab_size=320))
    model.model.layers = nn.ModuleList()
    with (
        pytest.raises(ConfigError, match=r"gradient_checkpointing is true, and Bare has no layers"),
        checkpointed(model),
    ):
        pass
