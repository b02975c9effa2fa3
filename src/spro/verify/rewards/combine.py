"""Reward functions out of reward functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spro.errors import ConfigError
from spro.verify.rewards.completions import Completions, RewardCallable, Rewards


@dataclass(frozen=True, slots=True)
class WeightedSum:
    r"""The sum of ``weight * reward``; a part that says ``None`` adds nothing, and all of them ``None`` give ``None``.

    Example:
        >>> both = WeightedSum([(0.2, boxed_format), (0.1, think_format)])
        >>> both(completions=[r"<think>two</think> \boxed{2}", "2"])
        [0.30000000000000004, 0.0]
    """

    parts: Sequence[tuple[float, RewardCallable]]

    def __post_init__(self) -> None:
        if not self.parts or not all(isinstance(part, tuple | list) and callable(part[1]) for part in self.parts):
            raise ConfigError("the parts of a weighted sum are pairs (weight, function), at least one")

    def __call__(self, *, completions: Completions, **columns: object) -> Rewards:
        """The weighted sum for each response."""
        rows = [
            [None if reward is None else weight * reward for reward in part(completions=completions, **columns)]
            for weight, part in self.parts
        ]
        return [_total(parts) for parts in zip(*rows, strict=True)]


@dataclass(frozen=True, slots=True)
class Product:
    """The product of rewards, so that one with 0 and 1 is a gate for the others; any ``None`` gives ``None``."""

    parts: Sequence[RewardCallable]

    def __post_init__(self) -> None:
        if not self.parts or not all(map(callable, self.parts)):
            raise ConfigError("the parts of a product are functions, at least one")

    def __call__(self, *, completions: Completions, **columns: object) -> Rewards:
        """The product for each response."""
        rows = [part(completions=completions, **columns) for part in self.parts]
        return [_product(parts) for parts in zip(*rows, strict=True)]


def _total(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return math.fsum(known) if known else None


def _product(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return math.prod(known) if len(known) == len(parts) else None
