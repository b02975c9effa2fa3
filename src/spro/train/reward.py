"""From a score to a reward."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OverlongPenalty:
    """DAPO's soft punishment of length (arXiv 2503.14476, Eq. 13), for every response, right or wrong.

        min(-(length - (limit - buffer)) / buffer * factor, 0)

    0 up to ``limit - buffer`` tokens, ``-factor`` at the limit, linear between; with ``buffer`` 0 always 0.

    Attributes:
        limit: tokens that a response can have.
        buffer: of these, the last ones that cost.
        factor: what a response of full length loses, in units of reward.
    """

    limit: int
    buffer: int = 0
    factor: float = 1.0

    def __call__(self, length: int) -> float:
        """The penalty, at most 0, of a response of so many tokens."""
        excess = length - (self.limit - self.buffer)
        return min(-excess / max(self.buffer, 1) * self.factor, 0.0)
