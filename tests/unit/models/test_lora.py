"""Adapters in real architectures: what they change, what they leave, and how they are opened again."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, MixtralConfig, MixtralForCausalLM, PreTrainedModel

from spro.config import LoraConfig
from spro.errors import ConfigError, ModelError
from spro.models import (
    Policy,
    add_adapters,
    has_adapters,
    load_policy,
    restore_model,
    save_merged,
    save_model,
    trainable,
    without_adapters,
)
from tests.models import save_model_folder, tiny_model

FAMILIES = ["qwen2", "llama", "gemma", "gemma3", "gpt2"]
TOKENS = torch.arange(1, 19).view(2, 9)


@torch.no_grad()
def logits(model: PreTrainedModel) -> Tensor:
    found: Tensor = model(input_ids=TOKENS, attention_mask=torch.ones_like(TOKENS)).logits
    return found


@torch.no_grad()
def train(model: PreTrainedModel, seed: int = 0) -> None:
    """Stands for optimizer steps: every trainable weight is moved."""
    generator = torch.Generator().manual_seed(seed)
    for _, parameter in trainable(model):
        parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.dtype), alpha=0.1)


def adapted(family: str, seed: int = 0, **settings: Any) -> PreTrainedModel:
    model = tiny_model(family)
    add_adapters(model, LoraConfig(**{"rank": 4, **settings}), seed, "/base")
    return model


def policy_of(folder: Path, rank: int = 4, dtype: str = "float32", seed: int = 0) -> Policy:
    return load_policy(str(folder), "cpu", dtype, LoraConfig(rank=rank), seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_new_adapters_change_nothing_and_trained_ones_go_off_to_the_bit(family: str) -> None:
    model, before = adapted(family), logits(tiny_model(family))
    assert torch.equal(logits(model), before)
    train(model)
    with without_adapters(model):
        assert torch.equal(logits(model), before)
    assert (logits(model) - before).abs().max() > 0.01


def test_only_adapters_learn_and_there_are_some_in_every_layer_but_the_head() -> None:
    model = adapted("llama")
    names = [name for name, _ in trainable(model)]
    assert all(".lora_A." in name or ".lora_B." in name for name in names)
    assert len(names) == 2 * 2 * 7, "two factors, two layers, four projections of attention and three behind it"
    only = adapted("llama", target_modules=["q_proj"])
    assert [name.rsplit(".", 3)[1] for name, _ in trainable(only)] == ["lora_A", "lora_B"] * 2


def test_adapters_going_off_leave_gradients_and_flags_as_they_were() -> None:
    model = adapted("llama")
    loss = model(input_ids=TOKENS).logits.square().mean()
    frozen = trainable(model)[0][1].requires_grad_(False)
    with without_adapters(model), without_adapters(model):
        logits(model)
    assert not frozen.requires_grad
    assert len(trainable(model)) == 2 * 2 * 7 - 1
    loss.backward()
    assert all(parameter.grad is not None for _, parameter in trainable(model))


def test_a_block_inside_a_block_does_not_turn_adapters_on_early() -> None:
    model = adapted("llama")
    before = logits(model)
    train(model)
    with without_adapters(model):
        with without_adapters(model):
            pass
        assert torch.equal(logits(model), before)


def test_adapters_come_on_again_behind_an_error() -> None:
    model = adapted("llama")
    train(model)
    before = logits(model)
    with pytest.raises(KeyError), without_adapters(model):
        raise KeyError
    assert torch.equal(logits(model), before)


def test_the_seed_alone_decides_how_adapters_begin() -> None:
    first, other, second = adapted("llama", seed=1), adapted("llama", seed=2), tiny_model("llama")
    torch.manual_seed(5)
    state = torch.get_rng_state()
    add_adapters(second, LoraConfig(rank=4), 1, "/base")
    assert torch.equal(torch.get_rng_state(), state), "no draw from the generator of everyone"
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(trainable(first), trainable(second), strict=True))
    assert not torch.equal(trainable(first)[0][1], trainable(other)[0][1])


@pytest.mark.parametrize(("stabilised", "scale"), [(False, 8 / 4), (True, 8 / 2)])
def test_what_is_added_is_scaled_as_the_settings_say(stabilised: bool, scale: float) -> None:
    model = adapted("llama", alpha=8.0, rank_stabilised=stabilised, target_modules=["q_proj"])
    train(model)
    layer = model.model.layers[0].self_attn.q_proj
    first, second = (parameter.detach() for _, parameter in trainable(model)[:2])
    inputs = torch.randn(3, 32)
    expected = inputs @ layer.base_layer.weight.T + scale * inputs @ first.T @ second.T
    torch.testing.assert_close(layer(inputs), expected)


def test_adapters_have_the_type_of_the_model(tmp_path: Path) -> None:
    policy = policy_of(save_model_folder(tmp_path, "llama"), dtype="bfloat16")
    assert {parameter.dtype for parameter in policy.model.parameters()} == {torch.bfloat16}
    assert not policy.model.training


@pytest.mark.parametrize("family", ["gemma", "gpt2"])
def test_an_adapted_model_still_generates_with_a_cache(family: str) -> None:
    model = adapted(family)
    train(model)
    told = {"attention_mask": torch.ones_like(TOKENS), "max_new_tokens": 4, "do_sample": False}
    assert torch.equal(model.generate(TOKENS, **told), model.generate(TOKENS, **told, use_cache=False))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["q_prj"], r"target_modules is \[q_prj\]: Target modules .* not found"),
        (["lm_head"], r"covers lm_head; the embeddings and the output head take no adapter"),
        (["q_proj", "embed_tokens"], r"is \[q_proj, embed_tokens\] and covers model\.embed_tokens"),
    ],
)
def test_modules_that_cannot_be_adapted(targets: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        adapted("gemma", target_modules=targets)
    assert "\n" not in str(caught.value)


def test_fused_experts_take_no_adapter_and_the_attention_beside_them_does() -> None:
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = MixtralConfig(**shape, vocab_size=64, num_hidden_layers=1, num_local_experts=2)
    with pytest.raises(ConfigError, match=r"covers the fused experts .*; name other modules, such as \[q_proj"):
        add_adapters(MixtralForCausalLM(config), LoraConfig(), 0, "/base")
    model = MixtralForCausalLM(config)
    add_adapters(model, LoraConfig(target_modules=["q_proj", "v_proj"]), 0, "/base")
    assert len(trainable(model)) == 4


def test_without_peft_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "peft":
            raise ModuleNotFoundError("No module named 'peft'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ConfigError, match=r"^model\.lora needs peft \(No module named 'peft'\): pip install spro\[lora]"
    ):
        adapted("llama")


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_saved_adapter_opens_with_plain_transformers_and_restores_to_the_bit(tmp_path: Path, family: str) -> None:
    base = save_model_folder(tmp_path / "base", family)
    policy = policy_of(base)
    train(policy.model)
    save_model(tmp_path / "saved", policy)
    written = {path.name for path in (tmp_path / "saved").iterdir()}
    assert written >= {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"}
    assert "model.safetensors" not in written, "the adapter alone"
    settings = json.loads((tmp_path / "saved" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(base.resolve())
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.float32).eval()
    assert torch.equal(logits(opened), logits(policy.model))
    again = policy_of(base, seed=9)
    restore_model(tmp_path / "saved", again)
    assert torch.equal(logits(again.model), logits(policy.model))


def test_an_adapter_of_another_shape_is_not_restored(tmp_path: Path) -> None:
    base = save_model_folder(tmp_path / "base", "llama")
    save_model(tmp_path / "saved", policy_of(base))
    for policy in (policy_of(base, rank=5), load_policy(str(base), "cpu")):
        with pytest.raises(ModelError, match=r"is not the one of this run: \d+ weights differ"):
            restore_model(tmp_path / "saved", policy)


def test_an_adapter_is_no_model_to_train(tmp_path: Path) -> None:
    save_model(tmp_path / "saved", policy_of(save_model_folder(tmp_path / "base", "llama")))
    with pytest.raises(ModelError, match=r"holds a LoRA adapter and no model: give the model below it"):
        load_policy(str(tmp_path / "saved"), "cpu")


@pytest.mark.parametrize("family", ["llama", "gemma", "gpt2"])
def test_a_merged_model_is_an_ordinary_one(tmp_path: Path, family: str) -> None:
    policy = policy_of(save_model_folder(tmp_path / "base", family))
    train(policy.model)
    save_merged(tmp_path / "merged", policy)
    merged = load_policy(str(tmp_path / "merged"), "cpu").model
    assert not has_adapters(merged)
    torch.testing.assert_close(logits(merged), logits(policy.model), rtol=0, atol=1e-5)
    assert has_adapters(policy.model), "the policy keeps its own"
