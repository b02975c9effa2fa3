"""avg@k: the mean score, and pass@1 where every problem has one sample."""

from collections.abc import Sequence

from spro.statistics.estimate import Estimate
from spro.statistics.proportion import share_estimate
from spro.statistics.samples import problem_means


def average_score(scores: Sequence[Sequence[float]]) -> Estimate:
    """Mean over problems of the mean over samples: pass@1, or avg@k with k samples a problem.

    The standard error is clustered by problem (Miller, arXiv 2411.00640); the interval is ``share_interval``, at every
    number of problems: for hundreds of them it is the usual one of the normal law, below that the usual one is too
    narrow (Bowyer et al., arXiv 2503.01747).

    Args:
        scores: ``scores[i]`` holds the scores in [0, 1] of the samples of problem i, one or more; their number may
            differ. What could not be graded is left out.

    Raises:
        StatisticsError: no problem, a problem without a sample, or a score outside [0, 1] or NaN.
    """
    return share_estimate(problem_means(scores))
