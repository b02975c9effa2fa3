"""Low-rank adapters inside a model of transformers, through peft.

The adapters are put into the model itself, so that it stays one that generates, scores and saves.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import Parameter
from transformers import PreTrainedModel

from spro.config import LoraConfig
from spro.errors import ConfigError

ADAPTER = "default"
"""The name under which peft keeps the adapters; there is one set a model."""

ALL_LINEAR = "all-linear"
"""A word of peft, which a list of names may not hold."""


def has_adapters(model: PreTrainedModel) -> bool:
    """Whether ``add_adapters`` was here."""
    return bool(getattr(model, "peft_config", None))


def add_adapters(model: PreTrainedModel, lora: LoraConfig, seed: int, base_path: str) -> None:
    """Freeze the model and put adapters beside its weights; it computes what it did before, to the bit.

    Args:
        model: on the CPU, whose generator draws the first factor; the second is 0.
        lora: see there.
        seed: decides the first factor alone. The global generators stay as they are.
        base_path: of the model; written beside saved adapters.

    Raises:
        ConfigError: peft is not installed, or no module bears the names; one line.
    """
    try:
        import peft
    except ImportError as error:
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(f"model.lora needs peft ({reason}): pip install spro[lora]") from error
    names = list(lora.target_modules)
    adapters = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        use_rslora=lora.rank_stabilised,
        target_modules=names[0] if names == [ALL_LINEAR] else names,
        lora_dropout=0.0,
        task_type=peft.TaskType.CAUSAL_LM,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # What it warns of is set right by itself (the transposed layers of GPT-2) or refused below.
        warnings.filterwarnings("ignore", module="peft")
        torch.manual_seed(seed)
        try:
            model.add_adapter(adapters, ADAPTER)
        except ValueError as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"model.lora.target_modules is {_listed(lora)}: {reason}") from error
    unused = [name for name in names if names != [ALL_LINEAR] and not _is_targeted(model, name)]
    if unused:
        raise ConfigError(f"model.lora.target_modules names {unused[0]!r}, and no module of the model is called so")
    model.peft_config[ADAPTER].base_model_name_or_path = base_path
    _refuse_unmergeable(model, lora)


@contextmanager
def without_adapters(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """The model with its adapters off inside this block: what it was before ``add_adapters``, to the bit."""
    layers = [layer for layer in adapted_layers(model).values() if not layer.disable_adapters]
    # peft takes the gradient of adapters away when it turns them off, and gives it to all when it turns them on.
    wanted = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield model
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        for parameter, requires_grad in wanted:
            parameter.requires_grad_(requires_grad)


def adapted_layers(model: PreTrainedModel) -> dict[str, Any]:
    """The layers of peft that hold a weight and its adapter, by the name of the module that they replaced."""
    if not has_adapters(model):
        return {}
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def _is_targeted(model: PreTrainedModel, name: str) -> bool:
    return any(at == name or at.endswith(f".{name}") for at in adapted_layers(model))


def _refuse_unmergeable(model: PreTrainedModel, lora: LoraConfig) -> None:
    """Refuse adapters that could not be told to an engine weight by weight.

    The embeddings may be one tensor with the head, of which an adapter would change one; and log-probs read the head.
    """
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    for name, layer in adapted_layers(model).items():
        if layer in ends:
            raise ConfigError(
                f"model.lora.target_modules is {_listed(lora)} and covers {name}; the embeddings and the "
                "output head take no adapter"
            )
        if not isinstance(getattr(layer.get_base_layer(), "weight", None), Parameter):
            raise ConfigError(
                f"model.lora.target_modules is {_listed(lora)} and covers the fused experts {name}, which take "
                "no adapter yet; name other modules, such as [q_proj, k_proj, v_proj, o_proj]"
            )


def _listed(lora: LoraConfig) -> str:
    return f"[{', '.join(lora.target_modules)}]"
