"""What a checkpoint of a run is made of, and how a run becomes what one holds."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from spro.errors import RunFolderError
from spro.models import Policy, restore_model, save_model, trainable
from spro.train.generators import random_state, restore_random_state
from spro.train.optimizer import Optimizer, State
from spro.train.source import Source
from spro.train.state import RunState

TRAINING = "training"
STATE = "state.json"
SAMPLE_BYTES = 1 << 16


@dataclass(frozen=True)
class Saving:
    """The parts of a run that have a state.

    Attributes:
        policy: its weights are the checkpoint's model.
        optimizer: of the policy.
        sources: the models beside it.
    """

    policy: Policy
    optimizer: Optimizer
    sources: Sequence[Source]

    def size(self) -> int:
        """Bytes of a checkpoint, but for the tokenizer and the like."""
        # With adapters they alone are written.
        tensors: list[Tensor] = [weight for _, weight in trainable(self.policy.model)]
        tensors += [tensor for state in self._states().values() for tensor in state.values()]
        return sum(tensor.nbytes for tensor in tensors)

    def write(self, folder: Path, state: RunState) -> None:
        """Fill the folder of a checkpoint."""
        save_model(folder, self.policy)
        training = folder / TRAINING
        training.mkdir()
        for name, tensors in self._states().items():
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, training / f"{name}.safetensors")
        state.save(training / STATE)

    def read(self, checkpoint: Path, fresh: RunState) -> RunState:
        """Become what the checkpoint holds, to the bit; every tensor of it is known to be whole.

        Args:
            checkpoint: folder of one.
            fresh: of a run that begins just now, with its fingerprints.

        Raises:
            RunFolderError: the checkpoint is of a run with other parts, or of one with another first model or other
                data.
        """
        training = checkpoint / TRAINING
        if not (training / STATE).is_file():
            raise RunFolderError(f"the checkpoint {str(checkpoint)!r} keeps a model and no state to go on from")
        state = RunState.load(training / STATE)
        self._check_same(state, fresh)
        restore_model(checkpoint, self.policy)
        states = {path.stem: load_file(path) for path in training.glob("*.safetensors")}
        missing = sorted({*self._states()} - {*states})
        if missing:
            raise RunFolderError(f"the checkpoint {str(checkpoint)!r} has no state of {missing[0]}")
        try:
            self.optimizer.load(states["policy"])
            for source in self.sources:
                source.load(states.get(source.tensor, {}))
            restore_random_state(states["random"])
        except KeyError as error:
            raise RunFolderError(f"the checkpoint {str(checkpoint)!r} has no {error} to go on from") from error
        return state

    def _check_same(self, state: RunState, fresh: RunState) -> None:
        (was, *_), (now, *_) = (one.initial.split(" ") for one in (state, fresh))
        if was != now:
            raise RunFolderError(
                f"the run was begun with weights in {was}, and here they are in {now}: set model.dtype"
            )
        if state.initial != fresh.initial:
            raise RunFolderError(
                f"the run began from another model than is in {self.policy.base_path!r} now; its reference is lost. "
                "Put the model back that the run began from"
            )
        if state.data != fresh.data:
            raise RunFolderError(
                "the problems are not those that the run was begun with, so its place among them is lost; put the data "
                "back, or begin another run"
            )

    def _states(self) -> dict[str, State]:
        states = {source.tensor: source.state() for source in self.sources}
        states |= {"policy": self.optimizer.state(), "random": random_state()}
        return {name: state for name, state in states.items() if state}


def fingerprint(model: PreTrainedModel) -> str:
    """``float32 <SHA-256 over names, shapes and the first bytes of all weights>``: tells models apart in no time."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_first_bytes(tensor))
    return f"{str(model.dtype).removeprefix('torch.')} {digest.hexdigest()}"


def _first_bytes(tensor: Tensor) -> bytes:
    start = tensor.detach().flatten()[: SAMPLE_BYTES // tensor.element_size()]
    return start.cpu().contiguous().view(torch.uint8).numpy().tobytes()
