"""How the reference follows the policy."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from spro import config


class ReferenceUpdate(ABC):
    """What becomes of the reference after a step; never touches the policy."""

    @abstractmethod
    def apply(self, reference: PreTrainedModel, policy: PreTrainedModel, step: int) -> None:
        """Change the weights of ``reference`` in place, after ``step`` (from 1)."""


@dataclass(frozen=True)
class Frozen(ReferenceUpdate):
    """Stays what the policy was before training."""

    def apply(self, reference: PreTrainedModel, policy: PreTrainedModel, step: int) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Periodic(ReferenceUpdate):
    """Becomes a copy of the policy every ``every`` steps; in the step behind it every log-ratio is 0."""

    every: int

    def apply(self, reference: PreTrainedModel, policy: PreTrainedModel, step: int) -> None:
        """Copy when it is due."""
        if step % self.every == 0:
            _mix(reference, policy, 0.0)


@dataclass(frozen=True)
class MovingAverage(ReferenceUpdate):
    """ref <- decay * ref + (1 - decay) * policy after every step."""

    decay: float

    def apply(self, reference: PreTrainedModel, policy: PreTrainedModel, step: int) -> None:
        """Move towards the policy."""
        _mix(reference, policy, self.decay)


@torch.no_grad()
def _mix(reference: PreTrainedModel, policy: PreTrainedModel, decay: float) -> None:
    # Lerp from the policy's side: at decay 0 its bits, which ref + 1 * (policy - ref) need not be.
    for kept, live in zip(reference.parameters(), policy.parameters(), strict=True):
        kept.copy_(torch.lerp(live, kept, decay))


def build_reference(section: config.ReferenceConfig) -> ReferenceUpdate:
    """The behaviour that the settings name."""
    match section:
        case config.FrozenReference():
            return Frozen()
        case config.PeriodicReference():
            return Periodic(section.every)
        case config.EmaReference():
            return MovingAverage(section.decay)
