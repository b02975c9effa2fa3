"""Final scores as tables of numbers: the same problems for every model, in the same order.

Axis legend: S seeds, n problems.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from spro.errors import RunFolderError
from spro.lab.compare.config import BASE, run_name
from spro.lab.compare.records import Comparison
from spro.lab.compare.summary import Scores, Summary
from spro.lab.compare.table import Number
from spro.statistics import Difference, average_score, crossed_difference

SAMPLED, GREEDY = "sampled", "greedy"


@dataclass(frozen=True, eq=False)
class Board:
    """What every model scored on the problems that all of them were graded on.

    Attributes:
        measure: ``sampled`` (the mean over a problem's samples) or ``greedy``.
        sources: column of each problem.
        base: of the model before training, a score a problem; None where it was not measured.
        seeds: label -> the seeds behind its rows.
        scores: label -> float [S, n] in [0, 1].
        dropped: problems that are left out, since some model has no graded answer to them.
    """

    measure: str
    sources: tuple[str, ...]
    base: Float[np.ndarray, " n"] | None
    seeds: Mapping[str, tuple[int, ...]]
    scores: Mapping[str, Float[np.ndarray, "S n"]]
    dropped: int

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The distinct sources, in the order in which they first come."""
        return tuple(dict.fromkeys(self.sources))

    def members(self, column: str) -> np.ndarray:
        """Indices of the problems of one column."""
        return np.array([index for index, source in enumerate(self.sources) if source == column])


def make_board(comparison: Comparison, measure: str) -> Board | None:
    """The scores of all finished runs; None where nothing is left that all were graded on.

    Raises:
        RunFolderError: two summaries are of different problems.
    """
    named: dict[str, Summary] = {}
    if comparison.base is not None:
        named[BASE] = comparison.base
    for label in comparison.labels:
        named |= {run_name(label, seed): comparison.runs[label][seed] for seed in comparison.seeds(label)}
    by_name = {name: {one.problem_id: one for one in summary.scores} for name, summary in named.items()}
    first = next(iter(by_name), None)
    if first is None:
        return None
    for name, found in by_name.items():
        if found.keys() != by_name[first].keys():
            odd = sorted(found.keys() ^ by_name[first].keys())[0]
            raise RunFolderError(
                f"summaries/{name}.json and summaries/{first}.json are of different problems, such as {odd!r}: remove "
                "one of them and go on with --resume"
            )
    every = list(by_name[first])
    kept = [i for i in every if all(_score(found[i], measure) is not None for found in by_name.values())]
    if not kept:
        return None

    def row(name: str) -> list[float]:
        return [_score(by_name[name][problem], measure) or 0.0 for problem in kept]

    seeds = {label: comparison.seeds(label) for label in comparison.labels}
    return Board(
        measure=measure,
        sources=tuple(by_name[first][problem].data_source for problem in kept),
        base=np.array(row(BASE)) if BASE in by_name else None,
        seeds=seeds,
        scores={label: np.array([row(run_name(label, seed)) for seed in own]) for label, own in seeds.items()},
        dropped=len(every) - len(kept),
    )


def _score(scores: Scores, measure: str) -> float | None:
    if measure == GREEDY:
        return scores.greedy
    return sum(scores.sampled) / len(scores.sampled) if scores.sampled else None


def accuracy(scores: Float[np.ndarray, "S n"], sources: tuple[str, ...] = ()) -> Number:
    """Mean over seeds and problems in percent with its 95 % interval, for other seeds and other problems.

    Args:
        scores: in [0, 1].
        sources: column of each problem, for the mean of the columns' means; without them that over all problems.
    """
    if len(scores) == 1 and len(set(sources)) < 2:
        one = average_score([[score] for score in scores[0]])
        return Number(100 * one.value, 100 * one.low, 100 * one.high)
    # From one half, since that is what the interval of a difference is drawn to when problems are few.
    found = mean_difference(scores, np.full_like(scores, 0.5), sources)
    value, low, high = (0.5 + part for part in (found.value, found.low, found.high))
    return Number(100 * value, 100 * max(0.0, min(low, value)), 100 * min(1.0, max(high, value)))


def mean_difference(
    a: Float[np.ndarray, "S n"], b: Float[np.ndarray, "S n"], sources: tuple[str, ...] = ()
) -> Difference:
    """``crossed_difference`` of the mean of the columns' means; with one column it is that over all problems.

    Problem i of column c, which has n_c of all n problems, counts n / (C n_c) of a problem. What the columns differ by
    among themselves is taken out of the spread: the columns are given, the problems in them are drawn.
    """
    columns = tuple(dict.fromkeys(sources))
    if len(columns) < 2:
        return crossed_difference(a, b)
    differences = a - b
    weights, centers = np.empty(len(sources)), np.empty(len(sources))
    for column in columns:
        members = np.array([source == column for source in sources])
        weights[members] = len(sources) / (len(columns) * members.sum())
        centers[members] = differences[:, members].mean()
    mean = float((weights * differences).mean())
    balanced = mean + weights * (differences - centers)
    # It takes scores in [0, 1], and asks of them their differences alone.
    size = max(1.0, float(np.abs(balanced).max()))
    found = crossed_difference(np.maximum(balanced, 0.0) / size, np.maximum(-balanced, 0.0) / size)
    return Difference(found.value * size, found.se * size, found.low * size, found.high * size, found.p_value, found.n)
