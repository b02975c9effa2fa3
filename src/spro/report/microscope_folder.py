"""What a folder of ``spro microscope`` holds, as its page reads it.

A number that is not there, or is none, is None; a list that is too short is filled with None.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spro.errors import RunFolderError
from spro.report.jsonl import read_lines

Numbers = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """What methods are held against, of all responses: its name in the files, and for a reader."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method, what it is given beside the responses, and the terms that its advantage is the sum of."""

    name: str
    given: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number with its interval, of so many groups of responses."""

    method: str
    truth: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    groups: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One response; every per-token tuple is as long as ``tokens``.

    Attributes:
        said: by method: the total, and each term by name.
        truths: by name.
        errors: standard errors of those truths that have some.
        score: how far methods are apart; the page begins with the largest.
        token: where they are farthest apart.
    """

    problem_id: str
    prompt: str
    ground_truth: str
    status: str
    extracted: str
    finish_reason: str
    tokens: tuple[str, ...]
    written: tuple[bool, ...]
    said: Mapping[str, Mapping[str, Numbers]]
    truths: Mapping[str, Numbers]
    errors: Mapping[str, Numbers]
    old_log_probs: Numbers
    ref_log_probs: Numbers
    score: float
    token: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Microscope:
    """All of the folder.

    Attributes:
        facts: single values of ``measures.json``, such as the policy and the accuracy.
        left_out: methods that could not be made, and why.
        meanings: what each measure says.
        opposite: share of tokens with opposite signs, method by method.
        samples: those that methods disagree on most first.
    """

    facts: Mapping[str, Any]
    methods: tuple[Method, ...]
    truths: tuple[Truth, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    meanings: Mapping[str, str]
    measures: tuple[Measure, ...]
    opposite: tuple[Numbers, ...]
    samples: tuple[Sample, ...]
    config_text: str


TOTAL = "total advantage"
"""The sum of a method's terms."""


def read_microscope(folder: Path) -> Microscope:
    """Read the folder.

    Raises:
        RunFolderError: a file is missing or damaged; names it.
    """
    path = folder / "measures.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        config_text = (folder / "config.yaml").read_text(encoding="utf-8", errors="replace")
        samples = [_sample(line) for line in read_lines(folder / "rollouts.jsonl").records]
        samples.sort(key=lambda sample: -sample.score)
        return Microscope(
            facts={key: value for key, value in found.items() if isinstance(value, str | int | float)},
            methods=tuple(Method(m["name"], m["given"], tuple(m["terms"])) for m in found["methods"]),
            truths=tuple(Truth(truth["name"], truth["title"]) for truth in found["truths"]),
            left_out=tuple((one["name"], one["why"]) for one in found["left_out"]),
            notes=tuple(map(str, found["notes"])),
            meanings=found["meanings"],
            measures=tuple(map(_measure, found["measures"])),
            opposite=tuple(_numbers(row, len(found["methods"])) for row in found["opposite"]),
            samples=tuple(samples),
            config_text=config_text,
        )
    except OSError as error:
        raise RunFolderError(f"{folder} is no folder of spro microscope: {error.filename} {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, RunFolderError):
            raise
        raise RunFolderError(f"{folder} is damaged ({type(error).__name__}: {error}): make it anew") from error


def _measure(found: Mapping[str, Any]) -> Measure:
    value, low, high = (_number(found[key]) for key in ("value", "low", "high"))
    return Measure(found["method"], found["truth"], found["measure"], value, low, high, int(found["groups"]))


def _sample(line: Mapping[str, Any]) -> Sample:
    tokens = tuple(map(str, line["tokens"]))
    size, verdict, disagreement = len(tokens), line["verdict"], line["disagreement"]
    return Sample(
        problem_id=str(line["problem_id"]),
        prompt=str(line["prompt"]),
        ground_truth=str(line["ground_truth"]),
        status=str(verdict["status"]),
        extracted=str(verdict["extracted"] or ""),
        finish_reason=str(line["finish_reason"]),
        tokens=tokens,
        written=tuple(bool(by_policy) for by_policy in line["response_mask"]),
        said={
            name: {TOTAL: _numbers(said["advantages"], size)}
            | {term: _numbers(values, size) for term, values in said["terms"].items()}
            for name, said in line["methods"].items()
        },
        truths={name: _numbers(truth["values"], size) for name, truth in line["truths"].items()},
        errors={
            name: _numbers(truth["errors"], size)
            for name, truth in line["truths"].items()
            if truth["errors"] is not None
        },
        old_log_probs=_numbers(line["old_log_probs"], size),
        ref_log_probs=_numbers(line["ref_log_probs"], size),
        score=_number(disagreement["score"]) or 0.0,
        token=disagreement["token"] if isinstance(disagreement["token"], int) else None,
        sentence=str(disagreement["sentence"]),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _numbers(values: list[object], size: int) -> Numbers:
    return tuple(map(_number, [*values[:size], *[None] * (size - len(values))]))
