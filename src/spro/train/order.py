"""Which prompts are drawn: a pure function of seed and position, so that one number is all it takes to go on."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count

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

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the prompts as they are asked: a position means nothing beside other ones."""
        digest = hashlib.sha256(f"{self.seed}".encode())
        for prompt in self.prompts:
            digest.update(f"{prompt.problem.problem_id} {prompt.token_ids} {prompt.problem.ground_truth}".encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.prompts)

    def step(self, cursor: int) -> Iterator[tuple[int, Prompt]]:
        """What one step draws that begins at the position ``cursor`` (from 0) of the sequence: every prompt once.

        Where the step goes over into the next pass, it skips the positions of the prompts that it has drawn already.

        Yields:
            the position behind the prompt, at which the next step begins if this one draws no more, and the prompt.
        """
        drawn: set[int] = set()
        for position in count(cursor):
            if len(drawn) == len(self.prompts):
                return
            epoch, place = divmod(position, len(self.prompts))
            index = self._permutation(epoch)[place]
            if index not in drawn:
                drawn.add(index)
                yield position + 1, self.prompts[index]

    def _permute(self, epoch: int) -> list[int]:
        indices = list(range(len(self.prompts)))
        random.Random(f"{self.seed}/{epoch}").shuffle(indices)
        return indices
