"""Which prompts a step draws: a pure function of (seed, step), so that nothing needs to be stored to go on."""

import random
from collections.abc import Sequence
from functools import lru_cache

from spro.tasks import Prompt


class PromptOrder:
    """Passes over the prompts, each in an order of its own; a step takes the next ``size`` of the endless sequence.

    Args:
        prompts: at least one.
        seed: of the orders.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int) -> None:
        self.prompts = prompts
        self.seed = seed
        self._permutation = lru_cache(maxsize=2)(self._permute)

    def draw(self, step: int, size: int) -> list[Prompt]:
        """The prompts of ``step`` (from 0)."""
        return [self._at(position) for position in range(step * size, (step + 1) * size)]

    def _at(self, position: int) -> Prompt:
        epoch, index = divmod(position, len(self.prompts))
        return self.prompts[self._permutation(epoch)[index]]

    def _permute(self, epoch: int) -> list[int]:
        indices = list(range(len(self.prompts)))
        random.Random(f"{self.seed}/{epoch}").shuffle(indices)
        return indices
