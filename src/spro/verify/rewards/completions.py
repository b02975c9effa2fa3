"""What a reward function is given and gives."""

from collections.abc import Mapping, Sequence
from typing import Protocol

Completion = str | Sequence[Mapping[str, str]]
"""One response: text, or the messages that were written, of which the last counts."""
Completions = Sequence[Completion]
Rewards = list[float | None]
"""One number for each response; ``None`` where the function does not apply."""


class RewardCallable(Protocol):
    """TRL's signature; every column of the data comes as a list, one item a response."""

    def __call__(self, *, completions: Completions, **columns: object) -> Rewards:
        """Judge a batch."""
        ...


def text_of(completion: Completion) -> str:
    """The text of a response."""
    return completion if isinstance(completion, str) else completion[-1]["content"]
