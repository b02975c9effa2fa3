"""The policy for others: its weights by their public names, and as a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from spro.errors import ModelError
from spro.models.loading import Policy
from spro.models.lora import ADAPTER, adapted_layers, has_adapters
from spro.models.twin import trainable

ADAPTER_FILE = "adapter_model.safetensors"
"""peft's name."""


def exported_weights(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Weights and buffers under the names of the model's own folder, adapters merged, a tied weight once.

    One merged weight exists at a time, unless transformers keeps the architecture's weights in another layout than its
    folder does (fused experts): then all are made at once. Unmerged tensors are the model's own, so read them before
    the next update.
    """
    unchanged: dict[str, Tensor] = {}
    if revert_weight_conversion(model, unchanged) is unchanged:
        yield from _merged(model)
    else:
        yield from revert_weight_conversion(model, dict(_merged(model))).items()


def save_model(folder: Path, policy: Policy) -> None:
    """Write the model and its tokenizer as safetensors and JSON that plain transformers opens.

    With LoRA it is the adapter in peft's format and the name of the model below it, which transformers then loads by
    itself where peft is installed.
    """
    policy.model.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)


def save_merged(folder: Path, policy: Policy) -> None:
    """Write a whole model whatever it was trained with; with LoRA one in which the adapters are part of the weights."""
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(policy.model.config, dtype=policy.model.dtype)
    plain.load_state_dict(dict(_merged(policy.model)), strict=False, assign=True)
    plain.tie_weights()
    plain.generation_config = policy.model.generation_config
    plain.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)


@torch.no_grad()
def restore_model(folder: Path, policy: Policy) -> None:
    """Give the policy the weights that ``save_model`` wrote, in place and to the bit.

    Raises:
        ModelError: they are those of another model, or adapters of other modules or another rank.
    """
    if has_adapters(policy.model):
        saved = load_file(folder / ADAPTER_FILE) if (folder / ADAPTER_FILE).is_file() else {}
        live = {_adapter_key(name): parameter for name, parameter in trainable(policy.model)}
    else:
        saved = _open(folder, policy.model)
        live = dict(policy.model.named_parameters())
    strange = sorted(live.keys() ^ saved.keys()) or sorted(n for n in live if live[n].shape != saved[n].shape)
    if strange:
        raise ModelError(
            f"the model in {str(folder)!r} is not the one of this run: {len(strange)} weights differ, {strange[0]}"
        )
    for name, parameter in live.items():
        parameter.copy_(saved[name])


def _open(folder: Path, model: PreTrainedModel) -> dict[str, Tensor]:
    if not (folder / "config.json").is_file():
        return {}
    saved = AutoModelForCausalLM.from_pretrained(
        folder, dtype=model.dtype, use_safetensors=True, trust_remote_code=False
    )
    return dict(saved.named_parameters())


def _adapter_key(name: str) -> str:
    return f"base_model.model.{name}".replace(f".{ADAPTER}", "")


@torch.no_grad()
def _merged(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """State by the names of transformers, as if there had never been an adapter."""
    layers = adapted_layers(model)
    inner = {f"{at}.{name}" for at, layer in layers.items() for name in layer.state_dict()}
    seen = set()
    state = model.state_dict(keep_vars=True)
    for name, tensor in state.items():
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        at, is_base, leaf = name.rpartition(".base_layer.")
        if name not in inner:
            yield name, tensor.detach()
        elif is_base:
            yield f"{at}.{leaf}", _with_adapter(tensor, layers[at]) if leaf == "weight" else tensor.detach()


def _with_adapter(weight: Tensor, layer: Any) -> Tensor:
    """Added in float32, so that a small change is rounded once."""
    delta: Tensor = layer.get_delta_weight(ADAPTER)
    return (weight.float() + delta.float()).to(weight.dtype)
