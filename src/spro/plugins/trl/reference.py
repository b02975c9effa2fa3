"""The reference: the policy as it was in memory when the trainer was built."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import is_peft_model
from torch import nn
from trl.trainer.utils import add_fused_lm_head

from spro.errors import ConfigError

_FILE = "spro_reference.json"
_ADAPTER = ".lora_"


class InitialPolicy:
    """What a trainer's policy was at the start; read, never trained.

    With LoRA whose adapters still do nothing it is the policy with its adapters off, and costs no memory. Else it is a
    copy, which shares with the policy what is frozen: all of the base weights with LoRA, nothing in full training.

    Args:
        trainer: a ``GRPOTrainer`` that was just built.

    Attributes:
        model: the copy, prepared for the trainer's device; none where adapters are turned off.
    """

    def __init__(self, trainer: Any) -> None:
        self._policy = trainer.accelerator.unwrap_model(trainer.model)
        self.model = None if adapters_do_nothing(self._policy) else _prepared_copy(trainer)
        self._fingerprint: str | None = None

    @contextmanager
    def ready(self) -> Iterator[nn.Module]:
        """The model to be read inside the block."""
        if self.model is not None:
            yield self.model
        else:
            with self._policy.disable_adapter():
                yield self._policy

    def fingerprint(self) -> str:
        """A hash of every weight; equal for equal initial policies. Taken once, at the first checkpoint."""
        if self._fingerprint is None:
            model, skipped = (self._policy, _ADAPTER) if self.model is None else (self.model, None)
            self._fingerprint = _hash_of(model, skipped)
        return self._fingerprint

    def save(self, checkpoint: str) -> None:
        """Write the fingerprint into the folder of a checkpoint."""
        path = Path(checkpoint) / _FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"sha256": self.fingerprint()}) + "\n")

    def check(self, checkpoint: str) -> None:
        """Refuse a checkpoint of a run with another reference.

        Raises:
            ConfigError: one line.
        """
        path = Path(checkpoint) / _FILE
        if not path.is_file():
            raise ConfigError(
                f"{path} is missing, so {checkpoint} was saved without a reference: begin a new run from its weights"
            )
        if json.loads(path.read_text())["sha256"] != self.fingerprint():
            raise ConfigError(
                f"the run saved in {checkpoint} had another reference than this trainer: build it from the model with "
                "which that run began (same weights, same dtype), not from the checkpoint, and resume"
            )


def adapters_do_nothing(model: Any) -> bool:
    """Whether all that is trained is one set of LoRA factors whose product is 0, so that to turn them off is the start.

    By name and value: biases, magnitudes, whole modules and other kinds of adapter are not undone, or not to the bit.
    """
    if not is_peft_model(model) or len(model.peft_config) != 1:
        return False
    trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    return all(".lora_A." in name or (".lora_B." in name and not weight.any()) for name, weight in trained)


def _prepared_copy(trainer: Any) -> nn.Module:
    policy = trainer.accelerator.unwrap_model(trainer.model)
    shared = {id(weight): weight for weight in policy.parameters() if not weight.requires_grad}
    model = deepcopy(policy, shared).requires_grad_(False).eval()
    base = model.get_base_model() if is_peft_model(model) else model
    # The fused head of the copy would fall back to the forward of the policy.
    vars(base).pop("forward", None)
    add_fused_lm_head(base, temperature=trainer.temperature, cast_lm_head_to_fp32=trainer.args.cast_lm_head_to_fp32)
    prepared: nn.Module = trainer.accelerator.prepare_model(model, evaluation_mode=True)
    return prepared


def _hash_of(model: nn.Module, skipped: str | None) -> str:
    total = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if not isinstance(tensor, torch.Tensor) or (skipped and skipped in name):
            continue
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
