"""What is kept of a run: small enough for git, and all that tables and figures are made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spro.errors import RunFolderError
from spro.folders import write_whole

KEPT = (
    "eval/accuracy",
    "eval/greedy_accuracy",
    "eval/response_length/mean",
    "accuracy",
    "response_length/mean",
    "entropy",
    "kl",
    "grad_norm",
    "clip_fraction",
    "tokens",
    "total_flos",
)
"""Metrics whose series a summary keeps."""
DIGITS = 6
"""Significant ones of what is measured; scores are written as they are."""


@dataclass(frozen=True)
class Scores:
    """What a model did on one problem.

    Attributes:
        problem_id: of the problem.
        data_source: the column that it counts in.
        sampled: scores in [0, 1] of the answers that could be graded; may be empty.
        greedy: whether the whole greedy answer is right, 1 or 0; None where it was not asked for or could not be
            graded.
    """

    problem_id: str
    data_source: str
    sampled: tuple[float, ...]
    greedy: float | None


@dataclass(frozen=True)
class Summary:
    """One run, or the model that all of them began with.

    Attributes:
        steps: the logged ones, ascending; 0 is before training.
        series: metric -> its value at each of ``steps``, None where it was not measured.
        hours: of training behind each of ``steps``, on the machine that it ran on, evaluations left out.
        collapse: why it collapsed and at which step, if it did; one line.
        failure: why it failed; empty for a run that came to its end. A failed run has no scores.
        scores: of the last policy.
    """

    steps: tuple[int, ...] = ()
    series: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    hours: tuple[float, ...] = ()
    collapse: str = ""
    failure: str = ""
    scores: tuple[Scores, ...] = ()

    def curve(self, metric: str) -> dict[int, float]:
        """A metric by step, where it was measured."""
        values = self.series.get(metric, ())
        return {step: value for step, value in zip(self.steps, values, strict=False) if value is not None}


def follow(rows: Sequence[tuple[int, Mapping[str, float | None]]]) -> Summary:
    """The series of a run; without scores, which come from elsewhere.

    Args:
        rows: each logged step and its metrics, ascending.
    """
    seconds, hours = 0.0, []
    for _, metrics in rows:
        seconds += metrics.get("time/step_s") or 0.0
        hours.append(_rounded(seconds / 3600))
    series = {}
    for name in KEPT:
        values = [metrics.get(name) for _, metrics in rows]
        if any(value is not None for value in values):
            series[name] = tuple(None if value is None else _rounded(value) for value in values)
    return Summary(tuple(step for step, _ in rows), series, tuple(hours))


def write_summary(path: Path, summary: Summary) -> None:
    """Write it as JSON, whole or not at all."""
    columns = asdict(summary) | {"scores": [_row(one) for one in summary.scores]}
    # A line a key: short enough to read, and a diff says which series changed.
    text = "{\n" + ",\n".join(f"{json.dumps(key)}: {_line(value)}" for key, value in columns.items()) + "\n}\n"
    write_whole(path, text)


def read_summary(path: Path) -> Summary:
    """The inverse of ``write_summary``.

    Raises:
        RunFolderError: it cannot be read, or is no summary.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return Summary(
            steps=tuple(map(int, found["steps"])),
            series={name: tuple(values) for name, values in found["series"].items()},
            hours=tuple(found["hours"]),
            collapse=str(found["collapse"]),
            failure=str(found["failure"]),
            scores=tuple(Scores(row[0], row[1], tuple(row[2]), row[3]) for row in found["scores"]),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise RunFolderError(
            f"{path} is no summary of a run ({type(error).__name__}: {error}): remove it and go on with --resume"
        ) from error


def _row(scores: Scores) -> list[Any]:
    return [scores.problem_id, scores.data_source, [_plain(s) for s in scores.sampled], _plain(scores.greedy)]


def _line(value: Any) -> str:
    if isinstance(value, dict):
        inner = ",\n".join(f" {json.dumps(key)}: {json.dumps(_plain_all(values))}" for key, values in value.items())
        return f"{{\n{inner}\n}}" if inner else "{}"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n" + ",\n".join(f" {json.dumps(row)}" for row in value) + "\n]"
    return json.dumps(_plain_all(value) if isinstance(value, tuple) else value)


def _plain_all(values: Sequence[float | None]) -> list[float | None]:
    return [_plain(value) for value in values]


def _plain(value: float | None) -> float | None:
    """Whole numbers without a point, which take less room."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
