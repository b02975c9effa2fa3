"""The mean of the columns of a table ("Avg." of the paper's): each column alike, however many problems it has.

Axis legend: S seeds, n problems.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from spro.errors import StatisticsError
from spro.statistics.average import average_score
from spro.statistics.crossed import checked_table, mean_of_differences
from spro.statistics.estimate import Difference, Estimate


def column_average(columns: Sequence[Estimate]) -> Estimate:
    """The mean of columns that hold different problems, of one model.

        low = mean - sqrt(sum (value_c - low_c)^2) / C,   high = mean + sqrt(sum (high_c - value_c)^2) / C

    Zou and Donner, Statistics in Medicine 27 (2008): the errors of the columns are independent, and each side keeps its
    own, since the interval of a share lies askew. Of one column it is that column's interval.

    Args:
        columns: the estimate of each.

    Returns:
        ``n`` counts all problems.

    Raises:
        StatisticsError: there is no column.
    """
    if not columns:
        raise StatisticsError("column_average: there is no column; a mean needs at least one")
    mean, se, below, above = (
        sum(one.value for one in columns) / len(columns),
        math.hypot(*(one.se for one in columns)) / len(columns),
        math.hypot(*(one.value - one.low for one in columns)) / len(columns),
        math.hypot(*(one.high - one.value for one in columns)) / len(columns),
    )
    return Estimate(mean, se, mean - below, mean + above, sum(one.n for one in columns))


def column_difference(a: Float[np.ndarray, "S n"], b: Float[np.ndarray, "S n"], columns: Sequence[str]) -> Difference:
    """``crossed_difference`` of the mean of the columns' means.

    Problem i of column c, which has n_c of all n problems, counts n / (C n_c) of a problem. What the columns differ by
    among themselves is taken out of the spread: the columns are given, the problems in them are drawn. Of one column it
    is ``crossed_difference``, and of one seed ``paired_difference``.

    Args:
        a: scores in [0, 1]; row s is the model trained with seed s, column i is problem i. With several samples a
            problem, their mean.
        b: the same of the other method, seeds and problems in the same order.
        columns: the column of each problem.

    Returns:
        ``n`` counts problems; ``se`` holds both parts.

    Raises:
        StatisticsError: see ``crossed_difference``; or not one column a problem.
    """
    differences = checked_table(a, "a") - checked_table(b, "b", np.shape(a))
    return mean_of_differences(balanced(differences, _checked(columns, differences.shape[1])))


def crossed_average(scores: Float[np.ndarray, "S n"], columns: Sequence[str] = ()) -> Estimate:
    """Mean score of a method over seeds and problems, for other seeds and other problems.

    Of one seed it is ``average_score``, or ``column_average`` of that of each column. Of several it is the
    difference from a method that has one half everywhere: that is what the interval of a difference is drawn to when
    problems are few.

    Args:
        scores: in [0, 1]; row s is the model trained with seed s, column i is problem i.
        columns: the column of each problem, for the mean of the columns' means; without them that over all problems.

    Raises:
        StatisticsError: see ``crossed_difference``; or not one column a problem.
    """
    table = checked_table(scores, "scores")
    labels = _checked(columns or [""] * table.shape[1], table.shape[1])
    if len(table) == 1:
        members: dict[str, list[list[float]]] = {}
        for label, score in zip(labels, table[0], strict=True):
            members.setdefault(label, []).append([float(score)])
        return column_average([average_score(column) for column in members.values()])
    found = column_difference(table, np.full_like(table, 0.5), labels)
    value, low, high = (0.5 + part for part in (found.value, found.low, found.high))
    return Estimate(value, found.se, max(0.0, min(low, value)), min(1.0, max(high, value)), found.n)


def balanced(
    differences: Float[np.ndarray, "*evaluations S n"], columns: Sequence[str]
) -> Float[np.ndarray, "*evaluations S n"]:
    """Differences whose mean is that of the columns' means, and whose spread is the one inside the columns."""
    distinct = {column: number for number, column in enumerate(dict.fromkeys(columns))}
    if len(distinct) < 2:
        return differences
    numbers = np.array([distinct[column] for column in columns])
    is_member = (numbers == np.arange(len(distinct))[:, None]).astype(np.float64)
    sizes = is_member.sum(axis=1)
    means = differences.mean(axis=-2) @ is_member.T / sizes
    weights = len(columns) / (len(distinct) * sizes)
    away = differences - means[..., None, numbers]
    return np.asarray(means.mean(axis=-1)[..., None, None] + weights[numbers] * away)


def _checked(columns: Sequence[str], problems: int) -> Sequence[str]:
    if len(columns) != problems:
        raise StatisticsError(f"there are {problems} problems and the columns of {len(columns)}; each has one")
    return columns
