"""Two evaluations of one suite, problem by problem."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spro.errors import DataError
from spro.evaluate.numbers import GREEDY, by_column, mean_interval, scores_of
from spro.evaluate.result import Finished
from spro.evaluate.samples import Answered, Kind
from spro.evaluate.table import ALL, AVERAGE, print_table
from spro.statistics import Difference, paired_difference
from spro.tasks import SUITES

NORMAL_95 = 1.959963984540054
"""Standard errors between the mean and the end of a 95 % interval of the normal law."""
SCORES: Mapping[Kind, Callable[[Answered], list[float]]] = {
    Kind.GREEDY: lambda problem: [float(sample.is_correct) for sample in problem.scored(Kind.GREEDY)],
    Kind.SAMPLED: lambda problem: scores_of(problem.scored(Kind.SAMPLED)),
}
"""What of a problem is compared: whether the greedy answer is right, and the scores of the sampled ones."""


@dataclass(frozen=True)
class Comparison:
    """One evaluation minus another.

    Attributes:
        differences: by metric, then by column; the average of columns and all problems last.
        left_out: by metric, the problems that only one of them scored.
        warnings: in what else than the model they differ.
    """

    differences: Mapping[str, Mapping[str, Difference]]
    left_out: Mapping[str, int]
    warnings: tuple[str, ...]


def compare(one: Finished, other: Finished) -> Comparison:
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
    return Comparison(differences, left_out, tuple(_warnings(one.record, other.record)))


def _average_name(one: Finished, other: Finished) -> str:
    numbers = dict.fromkeys(evaluation.config.sampled for evaluation in (one, other))
    return f"avg@{'/'.join(map(str, numbers))}"


def _differences(
    suite: str, problems: Sequence[Answered], pairs: Mapping[tuple[str, str], tuple[list[float], list[float]]]
) -> dict[str, Difference]:
    titles = SUITES[suite].columns
    found = {
        titles.get(name, name): paired_difference(*zip(*(pairs[problem.key] for problem in members), strict=True))
        for name, members in by_column(problems, titles).items()
    }
    if len(found) > 1:
        average = _mean([*found.values()])
        return {**found, AVERAGE: average, ALL: paired_difference(*zip(*pairs.values(), strict=True))}
    return found


def _mean(differences: Sequence[Difference]) -> Difference:
    """The unweighted mean over columns; p, by the normal law, is below 0.05 exactly where the interval leaves 0 out."""
    value, low, high = mean_interval([(one.value, one.low, one.high) for one in differences])
    se = math.sqrt(sum(one.se**2 for one in differences)) / len(differences)
    towards_0 = value - low if value > 0 else high - value
    p_value = math.erfc(NORMAL_95 * abs(value) / towards_0 / math.sqrt(2))
    return Difference(value, se, low, high, p_value, sum(one.n for one in differences))


def _warnings(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    told: dict[str, Callable[[Mapping[str, Any]], object]] = {
        "chat template": lambda record: record["template"][:12],
        "extraction (verify.math.boxes)": lambda record: record["extraction"],
        "samples": lambda record: record["asked"]["samples"],
        "temperature": lambda record: record["asked"]["temperature"],
        "rollout.max_response_length": lambda record: record["asked"]["max_response_length"],
    }
    pairs = [(name, read(one), read(other)) for name, read in told.items()]
    return [f"warning: they differ in more than the model: {name} is {a} and {b}" for name, a, b in pairs if a != b]


def print_comparison(one: Finished, other: Finished, comparison: Comparison) -> None:
    """A table a metric, in percentage points, and what else there is to know."""
    for metric, differences in comparison.differences.items():
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
        if comparison.left_out[metric]:
            print(f"{comparison.left_out[metric]} problems are left out: only one of the two has a score of them")
    for line in comparison.warnings:
        print(line)


def record_comparison(other: Finished, comparison: Comparison) -> dict[str, object]:
    """The comparison as plain data."""
    return {
        "against": str(other.path),
        "differences": {
            metric: {column: asdict(one) for column, one in differences.items()}
            for metric, differences in comparison.differences.items()
        },
        "left_out": dict(comparison.left_out),
        "warnings": list(comparison.warnings),
    }
