"""The accuracy filter on numbers alone, which the trainer and the plug-ins share."""

from collections.abc import Sequence
from dataclasses import dataclass

from spro.errors import ConfigError

_DIGITS = 6
"""Of a mean score that count: four of five shares of 0.8 lie above 0.8 in float32."""


@dataclass(frozen=True)
class AccuracyWindow:
    """Which prompts a policy learns most from: those that it answers neither always nor never.

    Algorithm 1, line 8 of SPRO, with the semantics of verl's PRIME recipe: the prompts inside come first, and others
    fill what is left, so that the batch is always full. Their outcome advantage is 0, their process term is not.

    Attributes:
        low: least mean score of a prompt inside; in [0, 1].
        high: greatest one; in [low, 1].

    Raises:
        ConfigError: that is no window.
    """

    low: float = 0.2
    high: float = 0.8

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ConfigError(f"an accuracy window from {self.low} to {self.high}: give 0 <= low <= high <= 1")

    def holds(self, accuracy: float) -> bool:
        """Whether a mean score lies inside; the borders do, also when a host has rounded scores to float32."""
        return self.low <= round(accuracy, _DIGITS) <= self.high

    def choose(self, accuracies: Sequence[float], keep: int) -> list[int]:
        """The ``keep`` prompts to train on, by their place: those inside in their order, then the others in theirs."""
        return sorted(range(len(accuracies)), key=lambda place: not self.holds(accuracies[place]))[:keep]
