"""The accuracy filter on numbers alone, which the trainer and the plug-ins share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spro.errors import ConfigError, RewardError

_TOLERANCE = 1e-6
"""Of a mean score: hosts give scores in float32, in which four of five shares of 0.8 lie above 0.8."""


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
        """Whether a mean score lies inside; the borders do, also as a host has rounded them."""
        return self.low - _TOLERANCE <= accuracy <= self.high + _TOLERANCE

    def choose(self, accuracies: Sequence[float], keep: int) -> list[int]:
        """The ``keep`` prompts to train on, by their place: those inside in their order, then the others in theirs.

        Args:
            accuracies: mean scores; NaN, of a prompt without any, is outside.
            keep: how many.

        Raises:
            RewardError: one lies outside [0, 1], so that it is no mean score.
        """
        strange = [mean for mean in accuracies if not (math.isnan(mean) or -_TOLERANCE <= mean <= 1 + _TOLERANCE)]
        if strange:
            raise RewardError(f"the accuracy filter reads scores in [0, 1], and a prompt has a mean of {strange[0]:g}")
        return sorted(range(len(accuracies)), key=lambda place: not self.holds(accuracies[place]))[:keep]


def prompts_drawn(oversample_factor: float, keep: int) -> int:
    """How many prompts a step rolls out to keep some; for hosts, which draw a whole number.

    Raises:
        ConfigError: the factor is below 1, or makes no whole number of them.
    """
    wanted = oversample_factor * keep
    if not oversample_factor >= 1 or abs(round(wanted) - wanted) > _TOLERANCE:
        raise ConfigError(
            f"oversample_factor is {oversample_factor:g}: of {keep} prompts a step it must make a whole number, and no "
            "fewer"
        )
    return round(wanted)
