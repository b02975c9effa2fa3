"""From samples to one number a problem: where scores are checked."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from spro.errors import StatisticsError


def problem_means(scores: Sequence[Sequence[float]], name: str = "scores") -> Float[np.ndarray, " n"]:
    """Mean score of each problem, over its samples.

    Args:
        scores: of each problem the scores of its samples, in [0, 1].
        name: what the message calls them.

    Raises:
        StatisticsError: no problem, a problem without a sample, or a score outside [0, 1] or NaN.
    """
    counts, flat = _flatten(scores, name)
    # Negated, since a comparison with NaN is False.
    wrong = np.flatnonzero(~((flat >= 0) & (flat <= 1)))
    if wrong.size:
        problem = _problem_of(wrong[0], counts)
        raise StatisticsError(
            f"{name}: problem {problem} has the score {flat[wrong[0]]}; scores lie in [0, 1], and what could not be "
            "graded is left out"
        )
    return np.asarray(_sums(flat, counts) / counts)


def correct_counts(
    correct: Sequence[Sequence[bool]], k: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Samples of each problem, and how many of them are right.

    Raises:
        StatisticsError: no problem, a problem with fewer than ``k`` samples, or a sample that is neither right nor
            wrong.
    """
    counts, flat = _flatten(correct, "correct")
    short = np.flatnonzero(counts < k)
    if short.size:
        raise StatisticsError(
            f"pass@{k}: problem {short[0]} has {counts[short[0]]:g} samples; draw at least {k} a problem or ask for a "
            "smaller k"
        )
    shares = np.flatnonzero((flat != 0) & (flat != 1))
    if shares.size:
        problem = _problem_of(shares[0], counts)
        raise StatisticsError(
            f"pass@{k}: problem {problem} has a sample of {flat[shares[0]]}; pass@k counts right answers (0 or 1), "
            "average_score takes shares"
        )
    return counts, _sums(flat, counts)


def _flatten(
    scores: Sequence[Sequence[float]], name: str
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " samples"]]:
    if not len(scores):
        raise StatisticsError(f"{name}: there is no problem; an estimate needs at least one")
    counts = np.array([len(samples) for samples in scores], dtype=np.float64)
    empty = np.flatnonzero(counts == 0)
    if empty.size:
        raise StatisticsError(f"{name}: problem {empty[0]} has no sample; leave it out and count it")
    return counts, np.fromiter((score for samples in scores for score in samples), dtype=np.float64)


def _sums(flat: Float[np.ndarray, " samples"], counts: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.asarray(np.add.reduceat(flat, (np.cumsum(counts) - counts).astype(np.intp)))


def _problem_of(sample: int, counts: Float[np.ndarray, " n"]) -> int:
    return int(np.searchsorted(np.cumsum(counts), sample, side="right"))
