"""Many comparisons: p-values that hold for all of them at once."""

from collections.abc import Sequence

import numpy as np

from spro.errors import StatisticsError


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: reject where one is below 0.05, and some true null falls in 5 % of cases.

        adjusted of the i-th smallest = max over j <= i of min(1, (m - j + 1) p_(j))

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979). It needs no
    independence, and rejects whatever Bonferroni does.

    Raises:
        StatisticsError: a p-value outside [0, 1] or NaN.
    """
    p = np.asarray(p_values, dtype=np.float64)
    wrong = np.flatnonzero(~((p >= 0) & (p <= 1)))
    if wrong.size:
        raise StatisticsError(f"p-value {wrong[0]} is {p[wrong[0]]}; p-values lie in [0, 1]")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(value) for value in adjusted]
