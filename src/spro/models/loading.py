"""Models and tokenizers from folders and hub ids; safetensors only, no code from the repository."""

import inspect
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from spro.config import LoraConfig
from spro.errors import ModelError
from spro.models.lora import add_adapters

BUILTIN = {"builtin:chain": "assets/chain", "builtin:calculator": "assets/calculator"}
"""Models that ship with spro, and where."""

FORWARD_TAKES = frozenset({"input_ids", "attention_mask", "position_ids", "past_key_values", "logits_to_keep"})
"""What the decode loop and the scorer hand to a model."""

transformers_logging.disable_progress_bar()


@dataclass(frozen=True)
class Policy:
    """The model that is trained and what is needed to speak with it.

    Attributes:
        model: in evaluation mode for good: dropout would make the old log-probs those of another policy.
        tokenizer: of the same folder.
        stop_token_ids: tokens that end a response: the tokenizer's and the generation config's.
        pad_token_id: fills rectangles; the stop token where the tokenizer has no padding.
        base_path: where the weights came from, an absolute folder or a hub id; adapters are saved with it.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    stop_token_ids: tuple[int, ...]
    pad_token_id: int
    base_path: str


def pick_device(name: str) -> torch.device:
    """``auto`` is a GPU if there is one.

    Raises:
        ModelError: the name is no device of this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        if torch.device(name).type == "meta":
            raise RuntimeError("nothing can be computed on it")
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split("\n", 1)[0]
        raise ModelError(f"model.device is {name!r}: {reason}; use cpu, cuda, cuda:<number> or auto") from error


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bfloat16 on a GPU that computes in it, and float32 elsewhere."""
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
    if device.type != "cuda":
        return torch.float32
    with torch.cuda.device(device):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32


def load_policy(path: str, device: str, dtype: str = "auto", lora: LoraConfig | None = None, seed: int = 0) -> Policy:
    """Load a causal language model and its tokenizer.

    In bfloat16 an update of 1e-6 is less than half a unit in the last place, and the weights would never move: whoever
    trains them holds them in float32 beside.

    Args:
        path: a model folder, a hub id, or a name in ``BUILTIN``.
        device: see ``pick_device``.
        dtype: see ``pick_dtype``; that of the adapters too.
        lora: adapters to train in place of the weights.
        seed: of the adapters; without them nothing is drawn.

    Raises:
        ModelError: nothing is there, it is no causal language model, or its weights are not safetensors; one line.
        ConfigError: see ``add_adapters``.
    """
    place = _resolve(path)
    target = pick_device(device)
    try:
        AutoConfig.from_pretrained(place, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        model, loading = AutoModelForCausalLM.from_pretrained(
            place,
            dtype=pick_dtype(dtype, target),
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"cannot load the model {path!r}: {reason[:300]}") from error
    # transformers fills what a file lacks with random numbers.
    lacking = sorted(map(str, [*loading["missing_keys"], *loading["mismatched_keys"]]))
    if lacking:
        raise ModelError(f"cannot load the model {path!r}: {len(lacking)} weights are missing, such as {lacking[0]}")
    _check_forward(path, model)
    _check_vocabulary(path, model, tokenizer)
    stop_token_ids = _stop_token_ids(path, model, tokenizer)
    pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else stop_token_ids[0]
    if lora is not None:
        add_adapters(model, lora, seed, place)
    return Policy(model.to(target).eval(), tokenizer, stop_token_ids, pad_token_id, place)


def _resolve(path: str) -> str:
    if path in BUILTIN:
        return str(files("spro").joinpath(BUILTIN[path]))
    place = Path(path).expanduser()
    if place.is_dir():
        if not (place / "config.json").is_file():
            if (place / "adapter_config.json").is_file():
                raise ModelError(
                    f"the folder {path!r} holds a LoRA adapter and no model: give the model below it "
                    "(base_model_name_or_path in its adapter_config.json), or merge both first (spro merge, or peft's "
                    "merge_and_unload)"
                )
            raise ModelError(f"the folder {path!r} is no model folder: it has no config.json")
        return str(place.resolve())
    if place.exists():
        raise ModelError(f"{path!r} is a file; give the model's folder")
    if path.startswith(("builtin:", ".", "/", "~")) or path.count("/") > 1:
        raise ModelError(f"there is no model folder {path!r}; built in: {', '.join(BUILTIN)}")
    return path


def _check_forward(path: str, model: PreTrainedModel) -> None:
    missing = sorted(FORWARD_TAKES - inspect.signature(model.forward).parameters.keys())
    if missing:
        raise ModelError(
            f"cannot use the model {path!r}: {type(model).__name__} takes no {', '.join(missing)}; "
            "spro runs decoder-only models with a KV cache"
        )
    for layer in DynamicCache(config=model.config).layers:
        if not (hasattr(layer, "batch_repeat_interleave") and hasattr(layer, "batch_select_indices")):
            raise ModelError(
                f"cannot use the model {path!r}: {type(model).__name__} keeps its past in a {type(layer).__name__}, "
                "whose rows cannot be repeated for a group; spro runs models whose layers are all attention"
            )


def _check_vocabulary(path: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    # transformers makes an empty tokenizer for some architectures when a folder has none.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise ModelError(f"cannot load the model {path!r}: its tokenizer has no vocabulary; is tokenizer.json missing?")
    known = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > known:
        raise ModelError(
            f"cannot load the model {path!r}: its tokenizer has {len(tokenizer)} tokens, the model embeds {known}"
        )


def _stop_token_ids(path: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    named = [tokenizer.eos_token_id, getattr(model.generation_config, "eos_token_id", None)]
    found = {i for ids in named for i in (ids if isinstance(ids, list) else [ids]) if i is not None}
    if not found:
        raise ModelError(f"the model {path!r} has no end-of-sequence token, so no response could end; name one in it")
    return tuple(sorted(found))
