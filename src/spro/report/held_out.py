"""How sure a held-out accuracy is."""

import math

from spro.report.run import Metrics

Z95 = 1.959964


def held_out_spans(metrics: Metrics) -> dict[float, tuple[float, float]]:
    """The 95 % interval of ``eval/accuracy`` at each step that knows its error or its problems.

    Wilson's, with as many problems as the logged standard error is worth: near 0 and 1 the usual two errors to each
    side are too short, and at 0 and 1 they claim certainty.
    """
    errors = dict(metrics.series("eval/accuracy_se").points)
    problems = dict(metrics.series("eval/problems").points)
    spans = {}
    for step, share in metrics.series("eval/accuracy").points:
        error = errors.get(step) or 0.0
        count = share * (1 - share) / error**2 if error > 0 else problems.get(step) or 0.0
        if count > 0 and 0 <= share <= 1:
            spans[step] = _wilson(share, count)
    return spans


def _wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927)."""
    weight = Z95**2 / count
    middle = (share + weight / 2) / (1 + weight)
    half = math.sqrt(weight * (share * (1 - share) + weight / 4)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)
