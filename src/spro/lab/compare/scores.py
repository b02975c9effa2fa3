"""Final scores as tables of numbers: the same problems for every model, in the same order.

Axis legend: S seeds, n problems.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from spro.errors import RunFolderError
from spro.lab.compare.config import BASE, run_name
from spro.lab.compare.records import Comparison
from spro.lab.compare.summary import Scores, Summary
from spro.lab.compare.table import Number
from spro.statistics import crossed_average


@dataclass(frozen=True, slots=True)
class Measure:
    """What is taken of the answers to a problem.

    Attributes:
        table: name of the files of its table.
        title: of its table.
        answers: what each problem was given.
        score: of one problem, in [0, 1]; None where no such answer to it could be graded.
    """

    table: str
    title: str
    answers: str
    score: Callable[[Scores], float | None]


GREEDY = Measure("table1", "Final pass@1 in percent, greedy", "a greedy answer", lambda scores: scores.greedy)


def sampled(samples: int) -> Measure:
    """The mean score of the sampled answers, ``samples`` to each problem; a part of the tests is a part of a score."""
    return Measure(
        "table1-sampled",
        f"Final avg@{samples} in percent, mean score of the sampled answers",
        f"{samples} sampled answers",
        lambda scores: sum(scores.sampled) / len(scores.sampled) if scores.sampled else None,
    )


@dataclass(frozen=True, eq=False)
class Board:
    """What every model scored on the problems that all of them were graded on.

    Attributes:
        measure: what the scores are.
        sources: column of each problem.
        base: of the model before training, a score a problem; None where it was not measured.
        seeds: label -> the seeds behind its rows.
        scores: label -> float [S, n] in [0, 1].
        dropped: problems that are left out, since some model has no graded answer to them.
    """

    measure: Measure
    sources: tuple[str, ...]
    base: Float[np.ndarray, " n"] | None
    seeds: Mapping[str, tuple[int, ...]]
    scores: Mapping[str, Float[np.ndarray, "S n"]]
    dropped: int

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The distinct sources, in the order in which they first come."""
        return tuple(dict.fromkeys(self.sources))

    def members(self, column: str) -> Int[np.ndarray, " m"]:
        """Indices of the m problems of one column."""
        return np.array([index for index, source in enumerate(self.sources) if source == column])


def make_board(comparison: Comparison, measure: Measure) -> Board | None:
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
    kept = [i for i in every if all(measure.score(found[i]) is not None for found in by_name.values())]
    if not kept:
        return None

    def row(name: str) -> list[float]:
        return [measure.score(by_name[name][problem]) or 0.0 for problem in kept]

    seeds = {label: comparison.seeds(label) for label in comparison.labels}
    return Board(
        measure=measure,
        sources=tuple(by_name[first][problem].data_source for problem in kept),
        base=np.array(row(BASE)) if BASE in by_name else None,
        seeds=seeds,
        scores={label: np.array([row(run_name(label, seed)) for seed in own]) for label, own in seeds.items()},
        dropped=len(every) - len(kept),
    )


def accuracy(scores: Float[np.ndarray, "S n"], sources: tuple[str, ...] = ()) -> Number:
    """Mean over seeds and problems in percent with its 95 % interval, for other seeds and other problems.

    Args:
        scores: in [0, 1].
        sources: column of each problem, for the mean of the columns' means; without them that over all problems.
    """
    found = crossed_average(scores, sources)
    return Number(100 * found.value, 100 * found.low, 100 * found.high)
