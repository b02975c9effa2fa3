"""What a folder of ``spro microscope`` holds, as its page reads it.

All of it is read and checked before anything is made of it. A number of a response that is not there, or is none, is
None; a list of them that is too short is filled with None.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spro.errors import RunFolderError
from spro.report.jsonl import read_lines
from spro.report.tokens import TOTAL

Numbers = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class MicroscopeFacts:
    """What ``measures.json`` says of the whole look, under these names.

    Attributes:
        name: of the page.
        policy: in words.
        reference: in words.
        task: its type.
        split: ``held_out`` or ``train``.
        groups: problems with their responses.
        responses: in all of them.
        tokens: that the policy wrote.
        accuracy: mean score of the responses.
        mean_log_ratio: of policy to reference, in nats a token.
        shown: responses on the page, at most.
    """

    name: str
    policy: str
    reference: str
    task: str
    split: str
    groups: int
    responses: int
    tokens: int
    accuracy: float
    mean_log_ratio: float
    shown: int

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "MicroscopeFacts":
        """The facts among the keys of a parsed file.

        Raises:
            KeyError: one is missing.
            ValueError: one is not what it should be.
        """
        return cls(
            name=_text(found, "name"),
            policy=_text(found, "policy"),
            reference=_text(found, "reference"),
            task=_text(found, "task"),
            split=_text(found, "split"),
            groups=_count(found, "groups"),
            responses=_count(found, "responses"),
            tokens=_count(found, "tokens"),
            accuracy=_finite(found, "accuracy"),
            mean_log_ratio=_finite(found, "mean_log_ratio"),
            shown=_count(found, "shown"),
        )


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
        facts: of the whole.
        left_out: methods that could not be made, and why.
        meanings: what each measure says.
        opposite: share of tokens with opposite signs, a row and a column for each method.
        samples: those that methods disagree on most first.
    """

    facts: MicroscopeFacts
    methods: tuple[Method, ...]
    truths: tuple[Truth, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    meanings: Mapping[str, str]
    measures: tuple[Measure, ...]
    opposite: tuple[Numbers, ...]
    samples: tuple[Sample, ...]
    config_text: str


def read_microscope(folder: Path) -> Microscope:
    """Read the folder.

    Raises:
        RunFolderError: a file is missing or damaged; names it.
    """
    try:
        found = json.loads((folder / "measures.json").read_text(encoding="utf-8"))
        config_text = (folder / "config.yaml").read_text(encoding="utf-8", errors="replace")
        facts = MicroscopeFacts.from_json(found)
        samples = [_sample(line) for line in read_lines(folder / "rollouts.jsonl").records]
        if len(samples) != facts.responses:
            raise ValueError(f"rollouts.jsonl has {len(samples)} of the {facts.responses} responses")
        samples.sort(key=lambda sample: -sample.score)
        return Microscope(
            facts=facts,
            methods=tuple(map(_method, found["methods"])),
            truths=tuple(Truth(_text(truth, "name"), _text(truth, "title")) for truth in found["truths"]),
            left_out=tuple((_text(one, "name"), _text(one, "why")) for one in found["left_out"]),
            notes=tuple(map(str, found["notes"])),
            meanings={name: str(text) for name, text in found["meanings"].items()},
            measures=tuple(map(_measure, found["measures"])),
            opposite=_table(found["opposite"], len(found["methods"])),
            samples=tuple(samples),
            config_text=config_text,
        )
    except OSError as error:
        raise RunFolderError(f"{folder} is no folder of spro microscope: {error.filename} {error.strerror}") from error
    except RunFolderError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise RunFolderError(f"{folder} is damaged ({reason}): make it anew") from error


def _method(found: Mapping[str, Any]) -> Method:
    terms = tuple(str(term) for term in _list(found["terms"], "terms"))
    return Method(_text(found, "name"), _text(found, "given"), terms)


def _measure(found: Mapping[str, Any]) -> Measure:
    value, low, high = (_number(found[key]) for key in ("value", "low", "high"))
    method, truth, name = (_text(found, key) for key in ("method", "truth", "measure"))
    return Measure(method, truth, name, value, low, high, _count(found, "groups"))


def _table(rows: object, size: int) -> tuple[Numbers, ...]:
    """As many rows as columns."""
    table = tuple(_numbers(row, size) for row in _list(rows, "opposite"))
    if len(table) != size:
        raise ValueError(f"opposite has {len(table)} rows for {size} methods")
    return table


def _sample(line: Mapping[str, Any]) -> Sample:
    tokens = tuple(map(str, _list(line["tokens"], "tokens")))
    written = tuple(map(bool, _list(line["response_mask"], "response_mask")))
    size, verdict, disagreement = len(tokens), line["verdict"], line["disagreement"]
    if not size or len(written) != size:
        raise ValueError(f"a response has {size} tokens and a mask of {len(written)}")
    return Sample(
        problem_id=str(line["problem_id"]),
        prompt=str(line["prompt"]),
        ground_truth=str(line["ground_truth"]),
        status=str(verdict["status"]),
        extracted=str(verdict["extracted"] or ""),
        finish_reason=str(line["finish_reason"]),
        tokens=tokens,
        written=written,
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
        token=_place(disagreement["token"], size),
        sentence=str(disagreement["sentence"]),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _numbers(values: object, size: int) -> Numbers:
    found = _list(values, "a list of numbers")
    return tuple(map(_number, [*found[:size], *[None] * (size - len(found))]))


def _place(value: object, size: int) -> int | None:
    if value is not None and not (isinstance(value, int) and 0 <= value < size):
        raise ValueError(f"token is {value!r} in a response of {size}")
    return value


def _list(value: object, name: str) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list: {value!r}")
    return value


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text: {value!r}")
    return value


def _count(found: Mapping[str, Any], name: str) -> int:
    value = found[name]
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is no count: {value!r}")
    return value


def _finite(found: Mapping[str, Any], name: str) -> float:
    value = _number(found[name])
    if value is None:
        raise ValueError(f"{name} is no number: {found[name]!r}")
    return value
