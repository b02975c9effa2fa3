"""Model folders that are whole, and every way in which they are not."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Lfm2Config, Lfm2ForCausalLM, MambaConfig, MambaForCausalLM

from spro.errors import ModelError
from spro.models import frozen_copy, load_policy
from tests.models import byte_level_tokenizer, save_model_folder, tiny_model


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_an_ordinary_folder(tmp_path: Path, family: str) -> None:
    policy = load_policy(str(save_model_folder(tmp_path, family, chat=True)), "cpu")
    assert not policy.model.training
    assert policy.stop_token_ids == (policy.tokenizer.eos_token_id,)


@pytest.mark.parametrize(
    ("name", "expected"), [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_the_type_of_the_weights_on_a_cpu(tmp_path: Path, name: str, expected: torch.dtype) -> None:
    policy = load_policy(str(save_model_folder(tmp_path, "qwen2")), "cpu", name)
    assert {parameter.dtype for parameter in policy.model.parameters()} == {expected}


def test_the_folder_is_remembered_wherever_the_run_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_model_folder(tmp_path / "model", "qwen2")
    monkeypatch.chdir(tmp_path)
    assert load_policy("model", "cpu").base_path == str(folder.resolve())


def test_stop_tokens_of_tokenizer_and_generation_config_are_joined(tmp_path: Path) -> None:
    folder = save_model_folder(tmp_path, "qwen2", chat=True)
    generation = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(generation | {"eos_token_id": [0, 2]}))
    assert load_policy(str(folder), "cpu").stop_token_ids == (0, 2)


def test_the_built_in_model_is_small_and_whole() -> None:
    policy = load_policy("builtin:chain", "cpu")
    assert 150_000 < policy.model.num_parameters() < 300_000
    assert policy.tokenizer.decode(policy.tokenizer.encode("8*2;6;#6")) == "8*2;6;#6"


def test_the_reference_is_the_live_policy_and_stays_as_it_was() -> None:
    model = tiny_model("qwen2")
    reference = frozen_copy(model)
    before = [parameter.clone() for parameter in reference.parameters()]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, reference.parameters(), strict=True))
    assert not any(parameter.requires_grad for parameter in reference.parameters())


@pytest.mark.parametrize("path", ["/no/such/folder", "./missing", "builtin:chian", "a/b/c"])
def test_a_missing_folder(path: str) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        load_policy(path, "cpu")


def test_a_hub_id_without_a_hub() -> None:
    with pytest.raises(ModelError, match="cannot load the model 'nobody/nothing'") as caught:
        load_policy("nobody/nothing", "cpu")
    assert "\n" not in str(caught.value)


def test_a_folder_without_config(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        load_policy(str(tmp_path), "cpu")


def test_weights_that_are_no_safetensors(tmp_path: Path) -> None:
    folder = save_model_folder(tmp_path, "qwen2")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot load"):
        load_policy(str(folder), "cpu")


def test_broken_weights(tmp_path: Path) -> None:
    folder = save_model_folder(tmp_path, "qwen2")
    (folder / "model.safetensors").write_bytes(b"\0" * 64)
    with pytest.raises(ModelError, match="cannot load"):
        load_policy(str(folder), "cpu")


def test_a_missing_weight_is_not_made_up(tmp_path: Path) -> None:
    folder = save_model_folder(tmp_path, "qwen2")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 weights are missing, such as model\.layers\.1\.mlp\.up_proj\.weight"):
        load_policy(str(folder), "cpu")


def test_a_hybrid_model_whose_past_cannot_be_repeated(tmp_path: Path) -> None:
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
    layers = {"num_hidden_layers": 2, "layer_types": ["conv", "full_attention"]}
    Lfm2ForCausalLM(Lfm2Config(vocab_size=320, **shape, **layers)).save_pretrained(tmp_path)
    byte_level_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="whose rows cannot be repeated"):
        load_policy(str(tmp_path), "cpu")


def test_no_tokenizer(tmp_path: Path) -> None:
    folder = save_model_folder(tmp_path / "model", "qwen2")
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelError, match="cannot load"):
        load_policy(str(folder), "cpu")


def test_code_in_the_folder_is_not_run(tmp_path: Path) -> None:
    folder = save_model_folder(tmp_path / "model", "qwen2")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError):
        load_policy(str(folder), "cpu")
    assert not (tmp_path / "ran").exists()
    shutil.rmtree(folder)


def test_a_model_without_a_kv_cache_of_attention(tmp_path: Path) -> None:
    MambaForCausalLM(MambaConfig(vocab_size=320, hidden_size=16, num_hidden_layers=1)).save_pretrained(tmp_path)
    byte_level_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"MambaForCausalLM takes no .*past_key_values"):
        load_policy(str(tmp_path), "cpu")


def test_a_tokenizer_larger_than_the_model(tmp_path: Path) -> None:
    tiny_model("qwen2", vocab_size=50).save_pretrained(tmp_path)
    byte_level_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"its tokenizer has \d+ tokens, the model embeds 50"):
        load_policy(str(tmp_path), "cpu")


def test_an_unknown_device() -> None:
    with pytest.raises(ModelError, match=r"model\.device is 'gpu'"):
        load_policy("builtin:chain", "gpu")
