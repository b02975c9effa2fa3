"""pass@k: the chance that one of k samples is right."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from spro.errors import StatisticsError
from spro.statistics.estimate import Estimate
from spro.statistics.proportion import share_estimate
from spro.statistics.samples import correct_counts


def pass_at_k(correct: Sequence[Sequence[bool]], k: int) -> Estimate:
    """Mean over problems of the unbiased 1 - C(n - c, k) / C(n, k) (Chen et al., arXiv 2107.03374).

    Args:
        correct: ``correct[i]`` holds which samples of problem i are right: n of them, c right.
        k: samples of which one must be right, at least 1.

    Raises:
        StatisticsError: k below 1, no problem, a problem with fewer than k samples, or a sample that is neither right
            nor wrong.
    """
    if k < 1:
        raise StatisticsError(f"pass@k: k is {k}; it must be at least 1")
    counts, hits = correct_counts(correct, k)
    return share_estimate(pass_values(counts, hits, k))


def pass_values(counts: Float[np.ndarray, "*n"], hits: Float[np.ndarray, "*n"], k: int) -> Float[np.ndarray, "*n"]:
    """1 - C(n - c, k) / C(n, k) of each problem, as a product of k factors in [0, 1], which cannot overflow.

    C(n - c, k) / C(n, k) = product over j < k of (n - c - j) / (n - j)
    """
    drawn = np.arange(k)
    factors = (counts[..., None] - hits[..., None] - drawn) / (counts[..., None] - drawn)
    # From the first 0 on, factors are negative; the product is 0.
    return np.asarray(1 - np.clip(factors, 0.0, None).prod(axis=-1))
