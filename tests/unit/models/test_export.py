"""The policy for others: names, values and order of what an engine is given."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import MixtralConfig, MixtralForCausalLM, PreTrainedModel

from spro.config import LoraConfig
from spro.errors import ModelError
from spro.models import add_adapters, exported_weights, load_policy, restore_model, save_model, trainable
from tests.models import save_model_folder, tiny_model

FAMILIES = ["qwen2", "llama", "gemma", "gemma3", "gpt2"]
TOKENS = torch.arange(1, 19).view(2, 9)


@torch.no_grad()
def move(model: PreTrainedModel) -> None:
    generator = torch.Generator().manual_seed(0)
    for _, parameter in trainable(model):
        parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.dtype), alpha=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_model_is_exported_as_its_folder_has_it(tmp_path: Path, family: str) -> None:
    model = tiny_model(family)
    model.save_pretrained(tmp_path)
    on_disk, exported = load_file(tmp_path / "model.safetensors"), dict(exported_weights(model))
    assert exported.keys() == on_disk.keys()
    assert all(torch.equal(exported[name], on_disk[name]) for name in on_disk)
    assert not any(tensor.requires_grad for tensor in exported.values())
    live = {parameter.data_ptr() for parameter in model.parameters()}
    assert {tensor.data_ptr() for tensor in exported.values()} <= live, "nothing is copied"


def test_fused_experts_are_exported_one_by_one(tmp_path: Path) -> None:
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
    model = MixtralForCausalLM(MixtralConfig(**shape, vocab_size=64, num_hidden_layers=1, num_local_experts=2))
    model.save_pretrained(tmp_path)
    on_disk, exported = load_file(tmp_path / "model.safetensors"), dict(exported_weights(model))
    assert "model.layers.0.block_sparse_moe.experts.1.w2.weight" in exported
    assert exported.keys() == on_disk.keys()
    assert all(torch.equal(exported[name], on_disk[name]) for name in on_disk)


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_are_exported_inside_the_weights(family: str) -> None:
    model, plain = tiny_model(family), tiny_model(family, seed=1)
    names = [name for name, _ in exported_weights(model)]
    add_adapters(model, LoraConfig(rank=4), 0, "/base")
    move(model)
    exported = dict(exported_weights(model))
    assert list(exported) == names
    plain.load_state_dict(exported, strict=False)
    with torch.no_grad():
        expected, found = model(input_ids=TOKENS).logits, plain(input_ids=TOKENS).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_in_bfloat16_an_adapter_is_added_before_the_rounding() -> None:
    model = tiny_model("llama").to(torch.bfloat16)
    add_adapters(model, LoraConfig(rank=4, target_modules=["q_proj"]), 0, "/base")
    move(model)
    layer = model.model.layers[0].self_attn.q_proj
    first, second = (parameter.detach().double() for _, parameter in trainable(model)[:2])
    exact = layer.base_layer.weight.double() + 32 / 4 * second @ first
    found = dict(exported_weights(model))["model.layers.0.self_attn.q_proj.weight"]
    assert found.dtype == torch.bfloat16
    # Half a unit of the sum, and half a unit of the product, which peft rounds.
    room = 2.0**-8 * (exact.abs() + (exact - layer.base_layer.weight.double()).abs())
    assert ((found.double() - exact).abs() <= room).all()


def test_export_leaves_the_policy_as_it_is() -> None:
    model = tiny_model("llama")
    add_adapters(model, LoraConfig(rank=4), 0, "/base")
    move(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for _, tensor in exported_weights(model):
        assert not tensor.requires_grad
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_saved_model_restores_to_the_bit_and_in_place(tmp_path: Path, dtype: str) -> None:
    base = str(save_model_folder(tmp_path / "base", "gemma"))
    policy, again = load_policy(base, "cpu", dtype), load_policy(base, "cpu", dtype)
    move(policy.model)
    save_model(tmp_path / "saved", policy)
    places = [parameter.data_ptr() for parameter in again.model.parameters()]
    restore_model(tmp_path / "saved", again)
    assert [parameter.data_ptr() for parameter in again.model.parameters()] == places
    assert all(torch.equal(a, b) for a, b in zip(policy.model.parameters(), again.model.parameters(), strict=True))
    assert load_policy(str(tmp_path / "saved"), "cpu", dtype).stop_token_ids == policy.stop_token_ids


def test_another_model_is_not_restored(tmp_path: Path) -> None:
    policy = load_policy(str(save_model_folder(tmp_path / "base", "gemma")), "cpu")
    save_model(tmp_path / "saved", policy)
    other = load_policy(str(save_model_folder(tmp_path / "other", "llama")), "cpu")
    with pytest.raises(ModelError, match=r"is not the one of this run: \d+ weights differ"):
        restore_model(tmp_path / "saved", other)
