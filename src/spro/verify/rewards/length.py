"""Rewards of length and of repetition, in tokens: they read ``completion_ids``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spro.errors import ConfigError
from spro.verify.rewards.completions import Completions, Rewards

TokenIds = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class CosineLength:
    """A reward that falls with length for a right response and rises with it for a wrong one (arXiv 2502.03373, 3.2).

        end + (start - end) * (1 + cos(pi * length / max_tokens)) / 2

    Right is a ``score`` of at least a half. Without a score a response has no reward. The paper's values are 2 to 1
    and -10 to 0; these are those of ``trl.rewards.get_cosine_scaled_reward``.

    Attributes:
        max_tokens: where the end is reached; longer responses have its value.
    """

    max_tokens: int
    correct_start: float = 1.0
    correct_end: float = 0.5
    wrong_start: float = -1.0
    wrong_end: float = -0.5

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ConfigError(f"max_tokens is {self.max_tokens}; give 1 or more")

    def __call__(
        self,
        *,
        completions: Completions,
        completion_ids: TokenIds,
        score: Sequence[float | None],
        **columns: object,
    ) -> Rewards:
        """The reward of each response."""
        return [
            None if given is None else self._reward(min(len(token_ids) / self.max_tokens, 1.0), given >= 0.5)
            for token_ids, given in zip(completion_ids, score, strict=True)
        ]

    def _reward(self, progress: float, is_correct: bool) -> float:
        start, end = (self.correct_start, self.correct_end) if is_correct else (self.wrong_start, self.wrong_end)
        return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True, slots=True)
class ShorterInGroup:
    """Shorter than the others of its prompt is better (Kimi k1.5, arXiv 2501.12599, 2.3.3).

        lambda = 1/2 - (length - min) / (max - min);  lambda for a right response, min(0, lambda) for a wrong one

    The groups are those of ``problem_id`` within one call; where all lengths are equal the reward is 0.
    """

    def __call__(
        self,
        *,
        completions: Completions,
        completion_ids: TokenIds,
        problem_id: Sequence[str],
        score: Sequence[float | None],
        **columns: object,
    ) -> Rewards:
        """The reward of each response, in [-1/2, 1/2]."""
        lengths: dict[str, list[int]] = {}
        for name, token_ids in zip(problem_id, completion_ids, strict=True):
            lengths.setdefault(name, []).append(len(token_ids))
        return [
            None if given is None else _shorter(len(token_ids), lengths[name], given >= 0.5)
            for name, token_ids, given in zip(problem_id, completion_ids, score, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class NGramRepetition:
    """Minus the share of n-grams that repeat an earlier one (arXiv 2502.03373, appendix; TRL has it over words).

    Attributes:
        size: tokens of an n-gram.
    """

    size: int = 20

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"size is {self.size}; give 1 or more")

    def __call__(self, *, completions: Completions, completion_ids: TokenIds, **columns: object) -> Rewards:
        """The penalty of each response, in (-1, 0]."""
        return [-self._share(token_ids) for token_ids in completion_ids]

    def _share(self, token_ids: Sequence[int]) -> float:
        grams = [tuple(token_ids[i : i + self.size]) for i in range(len(token_ids) - self.size + 1)]
        return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _shorter(length: int, lengths: Sequence[int], is_correct: bool) -> float:
    shortest, longest = min(lengths), max(lengths)
    if shortest == longest:
        return 0.0
    share = 0.5 - (length - shortest) / (longest - shortest)
    return share if is_correct else min(0.0, share)
