"""How the reference follows the policy."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from transformers import PreTrainedModel

from spro import config
from spro.models import MovingCopy, Reference


class ReferenceUpdate(ABC):
    """What becomes of the reference after a step; never touches the policy."""

    @abstractmethod
    def apply(self, reference: Reference, policy: PreTrainedModel, step: int) -> None:
        """Change ``reference`` in place, after ``step`` (from 1)."""


@dataclass(frozen=True)
class Frozen(ReferenceUpdate):
    """Stays what it is: the policy before training."""

    def apply(self, reference: Reference, policy: PreTrainedModel, step: int) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Periodic(ReferenceUpdate):
    """Becomes a copy of the policy every ``every`` steps; in the step behind it every log-ratio is 0."""

    every: int

    def apply(self, reference: Reference, policy: PreTrainedModel, step: int) -> None:
        """Copy when it is due."""
        if step % self.every == 0:
            _moving(reference).move(policy, 0.0)


@dataclass(frozen=True)
class MovingAverage(ReferenceUpdate):
    """ref <- decay * ref + (1 - decay) * policy after every step."""

    decay: float

    def apply(self, reference: Reference, policy: PreTrainedModel, step: int) -> None:
        """Move towards the policy."""
        _moving(reference).move(policy, self.decay)


def _moving(reference: Reference) -> MovingCopy:
    assert isinstance(reference, MovingCopy), "hold_reference makes one for these settings"
    return reference


def build_reference(section: config.HeldReference) -> ReferenceUpdate:
    """The behaviour that the settings name."""
    match section:
        case config.FrozenReference():
            return Frozen()
        case config.PeriodicReference():
            return Periodic(section.every)
        case config.EmaReference():
            return MovingAverage(section.decay)
