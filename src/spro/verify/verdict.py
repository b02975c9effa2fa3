"""What a verifier says of one response."""

import math
from dataclasses import dataclass
from enum import StrEnum

from spro.errors import RewardError


class Status(StrEnum):
    """Why a response has the score it has. States, not booleans: a timeout is no wrong answer."""

    CORRECT = "correct"
    """The whole answer is right; score 1."""
    WRONG = "wrong"
    """An answer was found and is not right; score 0."""
    PARTIAL = "partial"
    """A share of the tests passed; 0 < score < 1."""
    NO_ANSWER = "no_answer"
    """The response holds no answer in the expected form; score 0."""
    TIMEOUT = "timeout"
    """Grading this answer exceeded its time; the answer's own doing, score 0."""
    MEMORY = "memory"
    """Grading this answer exceeded its memory; the answer's own doing, score 0."""
    UNSCORED = "unscored"
    """Grading failed for a reason that is not the response's; no score, masked out of its group."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The score of one response and the reason for it.

    Example:
        >>> Verdict(1.0, Status.CORRECT, extracted="42")
        Verdict(score=1.0, status=<Status.CORRECT: 'correct'>, extracted='42', detail='')

    Attributes:
        score: in [0, 1]; ``None`` exactly when the status is ``unscored``.
        status: why.
        extracted: the answer as it was read from the response, if one was found.
        detail: one line for a human; empty when the status says it all.

    Raises:
        RewardError: the score is NaN, outside [0, 1], or does not belong to the status.
    """

    score: float | None
    status: Status
    extracted: str | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        if (self.score is None) != (self.status is Status.UNSCORED):
            raise RewardError(f"a verdict of status {self.status} cannot have the score {self.score}")
        if self.score is not None and not (math.isfinite(self.score) and 0.0 <= self.score <= 1.0):
            raise RewardError(f"a verifier returned the score {self.score}; scores are finite and lie in [0, 1]")


def one_line(text: str, limit: int = 200) -> str:
    """``text`` as the detail of a verdict: a single line of at most ``limit`` characters, none of which acts.

    A terminal obeys escapes, and bidi overrides reorder what is read: they are spelled out.
    """
    line = "".join(c if c.isprintable() else f"\u27e8U+{ord(c):04X}\u27e9" for c in " ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 3] + "..."
