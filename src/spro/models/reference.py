"""The reference: what is held of the policy as it was, where, and in which form."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from spro.config import (
    EmaReference,
    FrozenReference,
    HeldReference,
    PeriodicReference,
)
from spro.errors import ModelError
from spro.models.int8 import int8_copy
from spro.models.lora import has_adapters, without_adapters
from spro.models.twin import copy_sharing, frozen_copy, trainable


class Reference(ABC):
    """A model that is read and never trained."""

    @abstractmethod
    def ready(self) -> AbstractContextManager[PreTrainedModel]:
        """The model on the policy's device inside the block, for forwards without gradient."""

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs beside the initial policy, by name; empty where that is enough."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Become what ``state`` was taken of; raises ``ModelError`` if that was another kind or model."""
        own = self.state()
        strange = sorted(own.keys() ^ state.keys()) or sorted(n for n in own if own[n].shape != state[n].shape)
        if strange:
            raise ModelError(f"the saved reference is not one of this run: {len(strange)} tensors differ, {strange[0]}")
        for name, tensor in own.items():
            tensor.copy_(state[name])


class AdaptersOff(Reference):
    """The policy with its adapters off: the initial policy, and no memory."""

    def __init__(self, policy: PreTrainedModel) -> None:
        self._policy = policy

    def ready(self) -> AbstractContextManager[PreTrainedModel]:
        """The policy; its adapters are on again behind the block."""
        return without_adapters(self._policy)


class Copy(Reference):
    """A model of its own, where it will be read."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model

    def ready(self) -> AbstractContextManager[PreTrainedModel]:
        """The copy."""
        return nullcontext(self._model)


class OffloadedCopy(Reference):
    """A model whose weights wait in the host's memory, and are on the device inside ``ready`` only.

    Args:
        model: becomes the copy. Its weights may be those of the policy; they are copied to the host here.
        device: where it will be read.
    """

    def __init__(self, model: PreTrainedModel, device: torch.device) -> None:
        self._model = model
        self._device = device
        # By identity, so that tied weights stay one; the original is kept, else its identity could be given away.
        hosts: dict[int, tuple[Tensor, Tensor]] = {}
        self._waiting: list[tuple[nn.Module, str, Tensor]] = []
        for module in model.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                if id(parameter) not in hosts:
                    hosts[id(parameter)] = (parameter, _on_host(parameter, pinned=device.type == "cuda"))
                self._waiting.append((module, name, hosts[id(parameter)][1]))
        self._place({id(host): host for _, _, host in self._waiting})

    def ready(self) -> AbstractContextManager[PreTrainedModel]:
        """The copy, on the device."""
        return self._on_device()

    @contextmanager
    def _on_device(self) -> Iterator[PreTrainedModel]:
        waiting = {id(host): host for _, _, host in self._waiting}
        try:
            self._place({key: host.to(self._device, non_blocking=True) for key, host in waiting.items()})
            yield self._model
        finally:
            self._place(waiting)

    def _place(self, weights: Mapping[int, Tensor]) -> None:
        parameters = {key: nn.Parameter(weight, requires_grad=False) for key, weight in weights.items()}
        for module, name, host in self._waiting:
            setattr(module, name, parameters[id(host)])


class MovingCopy(Reference):
    """A copy that follows the policy; with LoRA its adapters do, and the weights below them are the policy's.

    Args:
        policy: as it is now.
        dtype: in which its weights are kept. An average in bfloat16 would stand still: a step of one hundredth of the
            distance is less than half a unit in the last place.
    """

    def __init__(self, policy: PreTrainedModel, dtype: torch.dtype | None = None) -> None:
        self._model = frozen_copy(policy)
        own = dict(self._model.named_parameters())
        self._read = {name: own[name].detach() for name, _ in trainable(policy)}
        # The very tensors that are read where they have the type already.
        self._kept = {name: weight.to(dtype or weight.dtype) for name, weight in self._read.items()}

    def ready(self) -> AbstractContextManager[PreTrainedModel]:
        """The copy."""
        return nullcontext(self._model)

    def state(self) -> dict[str, Tensor]:
        """The weights that follow, as they are kept."""
        return dict(self._kept)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """See ``Reference``."""
        super().load(state)
        self._round()

    @torch.no_grad()
    def move(self, policy: PreTrainedModel, decay: float) -> None:
        """Become decay * itself + (1 - decay) * policy; at 0 the policy's bits."""
        for name, live in trainable(policy):
            kept = self._kept[name]
            # From the policy's side: kept + 1 * (live - kept) need not be the bits of live.
            kept.copy_(torch.lerp(live.to(kept.dtype), kept, decay))
        self._round()

    def _round(self) -> None:
        for name, read in self._read.items():
            read.copy_(self._kept[name])


def hold_reference(policy: PreTrainedModel, section: HeldReference) -> Reference:
    """The reference that the settings name, made from the policy as it is now.

    Raises:
        ConfigError: see ``int8_copy``.
    """
    match section:
        case FrozenReference() if has_adapters(policy):
            return AdaptersOff(policy)
        case FrozenReference():
            return _frozen(policy, section)
        case PeriodicReference():
            return MovingCopy(policy)
        case EmaReference():
            return MovingCopy(policy, torch.float32)


def _frozen(policy: PreTrainedModel, section: FrozenReference) -> Reference:
    if section.device == "same":
        return Copy(frozen_copy(policy) if section.weights == "same" else int8_copy(policy))
    shell = copy_sharing(policy, policy.parameters()) if section.weights == "same" else int8_copy(policy)
    return OffloadedCopy(shell.eval(), policy.device)


def _on_host(parameter: Tensor, pinned: bool) -> Tensor:
    host = parameter.detach().to("cpu")
    host = host.clone() if parameter.device.type == "cpu" else host
    # Page-locked memory is what a GPU reads at full speed.
    return host.pin_memory() if pinned else host
