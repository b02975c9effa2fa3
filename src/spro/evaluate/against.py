"""Two evaluations of one suite, problem by problem."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np

from spro.errors import DataError
from spro.evaluate.facts import Facts
from spro.evaluate.numbers import GREEDY, by_column, scores_of
from spro.evaluate.result import Finished
from spro.evaluate.samples import Answered, Key, Kind
from spro.evaluate.table import ALL, AVERAGE, print_table
from spro.statistics import Difference, column_difference, paired_difference
from spro.tasks import SUITES

SCORES: Mapping[Kind, Callable[[Answered], list[float]]] = {
    Kind.GREEDY: lambda problem: [float(sample.is_correct) for sample in problem.scored(Kind.GREEDY)],
    Kind.SAMPLED: lambda problem: scores_of(problem.scored(Kind.SAMPLED)),
}
"""What of a problem is compared: whether the greedy answer is right, and the scores of the sampled ones."""


@dataclass(frozen=True)
class Contrast:
    """One evaluation minus another.

    Attributes:
        differences: by metric, then by column; the average of columns and all problems last.
        left_out: by metric, the problems that only one of them scored.
        warnings: in what else than the model they differ.
    """

    differences: Mapping[str, Mapping[str, Difference]]
    left_out: Mapping[str, int]
    warnings: tuple[str, ...]


def compare(one: Finished, other: Finished) -> Contrast:
    """Paired differences on the problems that both have scored; positive where ``one`` is better.

    Raises:
        DataError: they are of different suites, or have no metric or no problem in common.
    """
    if one.config.suite != other.config.suite:
        raise DataError(
            f"{str(one.path)!r} is of the suite {one.config.suite!r}, {str(other.path)!r} of {other.config.suite!r}: "
            "only answers to the same problems can be compared"
        )
    differences: dict[str, Mapping[str, Difference]] = {}
    left_out: dict[str, int] = {}
    names = {Kind.GREEDY: GREEDY, Kind.SAMPLED: _average_name(one, other)}
    for kind, scores in SCORES.items():
        mine, others = (
            {problem.key: problem for problem in evaluation.problems if scores(problem)} for evaluation in (one, other)
        )
        shared = [key for key in mine if key in others]
        if shared:
            pairs = {key: (scores(mine[key]), scores(others[key])) for key in shared}
            differences[names[kind]] = _differences(one.config.suite, [mine[key] for key in shared], pairs)
            left_out[names[kind]] = len(mine.keys() ^ others.keys())
    if not differences:
        raise DataError(
            f"{str(one.path)!r} and {str(other.path)!r} have no problem of which both scored a greedy answer, or both "
            "a sampled one, so there is nothing to compare"
        )
    return Contrast(differences, left_out, tuple(_warnings(one.facts, other.facts)))


def _average_name(one: Finished, other: Finished) -> str:
    numbers = dict.fromkeys(evaluation.config.sampled for evaluation in (one, other))
    return f"avg@{'/'.join(map(str, numbers))}"


def _differences(
    suite: str, problems: Sequence[Answered], pairs: Mapping[Key, tuple[list[float], list[float]]]
) -> dict[str, Difference]:
    titles = SUITES[suite].columns
    columns = by_column(problems, titles)
    found = {
        titles.get(name, name): paired_difference(*zip(*(pairs[problem.key] for problem in members), strict=True))
        for name, members in columns.items()
    }
    if len(found) > 1:
        sources = [problem.data_source for problem in problems]
        a, b = (np.array([[fmean(pairs[problem.key][side]) for problem in problems]]) for side in (0, 1))
        found[AVERAGE] = column_difference(a, b, sources)
        found[ALL] = paired_difference(*zip(*pairs.values(), strict=True))
    return found


def _warnings(one: Facts, other: Facts) -> list[str]:
    told: dict[str, Callable[[Facts], object]] = {
        "chat template": lambda facts: facts.template[:12],
        "extraction (verify.math.boxes)": lambda facts: facts.extraction,
        "samples": lambda facts: facts.asked.samples,
        "temperature": lambda facts: facts.asked.temperature,
        "rollout.max_response_length": lambda facts: facts.asked.max_response_length,
    }
    pairs = [(name, read(one), read(other)) for name, read in told.items()]
    return [f"warning: they differ in more than the model: {name} is {a} and {b}" for name, a, b in pairs if a != b]


def print_contrast(one: Finished, other: Finished, contrast: Contrast) -> None:
    """A table a metric, in percentage points, and what else there is to know."""
    for metric, differences in contrast.differences.items():
        title = f"{metric}: {one.path} minus {other.path}, percentage points with 95 % intervals, paired by problem"
        rows = [
            [
                column,
                str(one.n),
                f"{100 * one.value:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]",
                f"{one.p_value:.2g}" if one.p_value >= 1e-4 else "<0.0001",
            ]
            for column, one in differences.items()
        ]
        print_table(title, ["problems", "difference", "p"], rows)
        if contrast.left_out[metric]:
            print(f"{contrast.left_out[metric]} problems are left out: only one of the two has a score of them")
    for line in contrast.warnings:
        print(line)


def contrast_json(other: Finished, contrast: Contrast) -> dict[str, object]:
    """It as plain data."""
    return {
        "against": str(other.path),
        "differences": {
            metric: {column: asdict(one) for column, one in differences.items()}
            for metric, differences in contrast.differences.items()
        },
        "left_out": dict(contrast.left_out),
        "warnings": list(contrast.warnings),
    }
