"""The models that stand beside the policy, each the source of one tensor that a credit method may need."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.models import response_log_probs
from spro.train.experience import Experience
from spro.train.optimizer import Applied, Optimizer, State

Stats = dict[str, Tensor]
"""Metric -> scalar on the device."""


def optimizer_stats(prefix: str, applied: Sequence[Applied]) -> Stats:
    """Means over the optimizer steps of one training step."""
    return {
        f"{prefix}/grad_norm": torch.stack([step.grad_norm for step in applied]).mean(),
        f"{prefix}/skipped_updates": torch.stack([step.skipped for step in applied]).mean(),
    }


@dataclass(frozen=True)
class Scoring:
    """How log-probs of responses are made.

    Attributes:
        temperature: of sampling.
        max_tokens: of a forward, padding included.
        check: called before each forward; what it raises ends the scoring.
    """

    temperature: float
    max_tokens: int
    check: Callable[[], None] = lambda: None

    def log_probs(self, model: PreTrainedModel, experience: Experience) -> Tensor:
        """Float32 [B, T] without gradient, 0 off the responses."""
        return response_log_probs(model, experience.sequences, self.temperature, self.max_tokens, self.check)


class Source(ABC):
    """Makes one tensor of ``TokenBatch``, and may learn from the responses that it scored."""

    tensor: ClassVar[str]
    """The name of the tensor."""

    @abstractmethod
    def score(self, experience: Experience) -> tuple[Tensor, Stats]:
        """The tensor, and what there is to log. ``experience`` has the tensors of the sources before this one."""

    @abstractmethod
    def flos(self, experience: Experience) -> int:
        """Model FLOPs of scoring a step and of learning from it; ``experience`` as ``score`` is given it."""

    def learn(self, experience: Experience) -> Stats:
        """Learn from the step, once credit is assigned and the policy is updated; what there is to log."""
        return {}

    def follow(self, step: int) -> None:  # noqa: B027  # most have nothing to do
        """The policy is now that behind ``step`` (from 1)."""

    def state(self) -> State:
        """What a resumed run needs beside the initial policy, by name."""
        return {}

    def load(self, state: State) -> None:
        """Go on from a ``state``."""
        assert not state


class LearningSource(Source):
    """One with weights that no folder keeps, and an optimizer of its own."""

    optimizer: Optimizer

    def follow(self, step: int) -> None:
        """See ``Source``."""
        self.optimizer.follow(step)

    def state(self) -> State:
        """Weights and optimizer."""
        return self.optimizer.whole_state()

    def load(self, state: State) -> None:
        """See ``Source``."""
        self.optimizer.load_whole(state)
