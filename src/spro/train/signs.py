"""The signs by which a collapse is explained: what each is read from, and since when it shows.

A sign has a strength that is 1 where it begins. Most are measured against the first steps of the run.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from spro.train.metrics import Metrics

FIRST = 3
"""Steps at the start that a sign is compared with."""
SPAN = 5
"""Steps that a strength is averaged over."""
EASE = 0.8
"""A sign ends below this share of the strength at which it began, so that it does not flicker."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that moves in a collapse.

    Attributes:
        cause: its key in ``spro.report.CAUSES``.
        metric: what it is read from.
        strength: of a value and of the mean of the first ones; 1 where the sign begins.
        detail: the number behind it, for a person.
        alone: at twice the strength it is a collapse by itself, unless the score holds.
    """

    cause: str
    metric: str
    strength: Callable[[float, float], float]
    detail: str
    alone: bool = False


def _rise(value: float, start: float) -> float:
    """Of a share, by a quarter of all."""
    return 4 * (value - start)


RATIO = "watch/process_over_outcome"
SIGNS = (
    Sign("process_term", RATIO, lambda value, start: value, "{:.2g} times its spread"),
    Sign("entropy_rise", "entropy", lambda value, start: value / (1.25 * start + 1e-9), "{:.2g} nats a token"),
    Sign("entropy_fall", "entropy", lambda value, start: 0.1 * start / max(value, 1e-9), "{:.2g} nats a token"),
    Sign("repetition", "response/repeated_ngrams", _rise, "{:.0%} of it", alone=True),
    Sign("length", "response_length/clip_ratio", _rise, "{:.0%} of them", alone=True),
    Sign("kl", "kl", lambda value, start: value, "{:.2g} nats a token"),
)
"""In the order of ``CAUSES``."""


@dataclass(slots=True)
class Track:
    """One sign over the run.

    Attributes:
        first: its first values.
        recent: strengths of the last ``SPAN`` steps that measured it.
        since: the step at which it began, while it lasts.
        value: the newest.
    """

    first: list[float] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)
    since: int | None = None
    value: float = 0.0

    def observe(self, step: int, value: float, sign: Sign) -> None:
        """Take in the value of a step."""
        self.value = value
        if len(self.first) < FIRST:
            self.first = [*self.first, value]
        strength = sign.strength(value, sum(self.first) / len(self.first))
        self.recent = [*self.recent, strength][-SPAN:]
        if self.since is None and strength >= 1:
            self.since = step
        elif strength < EASE:
            self.since = None

    @property
    def strength(self) -> float:
        """Mean of the last ``SPAN`` steps; 0 before there are so many."""
        return sum(self.recent) / SPAN if len(self.recent) == SPAN else 0.0


def process_over_outcome(metrics: Metrics) -> Metrics:
    """``watch/process_over_outcome``: spread of all terms of the credit but the outcome over that of the outcome.

    Spreads of several terms add up as those of independent ones do. None where the outcome has no spread; nothing for a
    method without an outcome term, or with no other.
    """
    outcome = metrics.get("credit/outcome_std")
    names = [name for name in metrics if re.fullmatch("credit/(?!outcome_|advantage_).+_std", name)]
    if "credit/outcome_std" not in metrics or not names:
        return {}
    spreads = [metrics[name] for name in names]
    if not outcome or any(spread is None for spread in spreads):
        return {RATIO: None}
    return {RATIO: math.hypot(*(spread for spread in spreads if spread is not None)) / outcome}
