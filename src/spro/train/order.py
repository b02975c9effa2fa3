"""Which prompts are drawn: a pure function of seed and position, so that one number is all it takes to go on."""

import random
from collections.abc import Sequence
from functools import lru_cache

from spro.tasks import Prompt


class PromptOrder:
    """Passes over the prompts, each in an order of its own; together an endless sequence, of which the next are drawn.

    Args:
        prompts: at least one.
        seed: of the orders.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int) -> None:
        self.prompts = prompts
        self.seed = seed
        self._permutation = lru_cache(maxsize=2)(self._permute)

    def __len__(self) -> int:
        return len(self.prompts)

    def draw(self, cursor: int, size: int) -> list[Prompt]:
        """The ``size`` prompts from the position ``cursor`` (from 0) of the sequence on."""
        return [self._at(position) for position in range(cursor, cursor + size)]

    def _at(self, position: int) -> Prompt:
        epoch, index = divmod(position, len(self.prompts))
        return self.prompts[self._permutation(epoch)[index]]

    def _permute(self, epoch: int) -> list[int]:
        indices = list(range(len(self.prompts)))
        random.Random(f"{self.seed}/{epoch}").shuffle(indices)
        return indices
