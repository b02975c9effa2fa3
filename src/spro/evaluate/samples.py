"""The lines of ``samples.jsonl``: one answer each, and what the verifier said of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

from spro.errors import DataError
from spro.rollout import FinishReason
from spro.tasks import Problem
from spro.train.group import Group
from spro.verify import Status

Key = tuple[str, str]
"""Id and question of a problem: the same in every evaluation that asked it, wherever its data lie."""


class Kind(StrEnum):
    """How an answer came about."""

    GREEDY = "greedy"
    SAMPLED = "sampled"


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer.

    Attributes:
        problem_id: of the problem.
        data_source: the column that it counts in.
        question_hash: SHA-256, its first 16 digits, over messages and ground truth, whatever model is asked.
        prompt_hash: the same over the token ids that the model read.
        kind: greedy or sampled.
        number: among those of its kind to the problem, from 0.
        seed: of the chunk of problems that it was sampled with.
        response: text without special tokens, as the verifier read it.
        extracted: the answer that was read from it, if one was found.
        score: in [0, 1]; None exactly when it could not be graded.
        status: why.
        detail: one line for a human.
        finish_reason: why it ended.
        tokens: its length.
    """

    problem_id: str
    data_source: str
    question_hash: str
    prompt_hash: str
    kind: Kind
    number: int
    seed: int
    response: str
    extracted: str | None
    score: float | None
    status: Status
    detail: str
    finish_reason: FinishReason
    tokens: int

    @property
    def is_scored(self) -> bool:
        """Whether it could be graded: failed is not wrong."""
        return self.score is not None

    @property
    def is_correct(self) -> bool:
        """Whether the whole answer is right."""
        return self.status is Status.CORRECT


@dataclass(frozen=True, slots=True)
class Answered:
    """One problem and all answers to it, in their order."""

    samples: tuple[Sample, ...]

    @property
    def key(self) -> Key:
        """Which problem it is, among those of other evaluations too."""
        return self.samples[0].problem_id, self.samples[0].question_hash

    @property
    def problem_id(self) -> str:
        """Of the problem."""
        return self.samples[0].problem_id

    @property
    def data_source(self) -> str:
        """The column that it counts in."""
        return self.samples[0].data_source

    def scored(self, kind: Kind) -> list[Sample]:
        """The answers of a kind that could be graded."""
        return [sample for sample in self.samples if sample.kind is kind and sample.is_scored]


_TYPES: Mapping[str, Any] = get_type_hints(Sample)


def digest(value: object) -> str:
    """SHA-256 of plain data."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def question_hash(problem: Problem) -> str:
    """See ``Sample.question_hash``."""
    return digest([list(problem.messages), problem.ground_truth])[:16]


def prompt_hash(token_ids: Sequence[int]) -> str:
    """See ``Sample.prompt_hash``."""
    return digest(list(token_ids))[:16]


def samples_of(group: Group, kind: Kind, seed: int) -> list[Sample]:
    """The answers of one graded group."""
    problem = group.prompt.problem
    return [
        Sample(
            problem.problem_id,
            problem.data_source,
            question_hash(problem),
            prompt_hash(group.prompt.token_ids),
            kind,
            number,
            seed,
            judged.text,
            judged.verdict.extracted,
            judged.verdict.score,
            judged.verdict.status,
            judged.verdict.detail,
            response.finish_reason,
            len(response.token_ids),
        )
        for number, (response, judged) in enumerate(zip(group.responses, group.judged, strict=True))
    ]


def json_line(sample: Sample) -> str:
    """The sample as one line of the file."""
    return json.dumps(asdict(sample)) + "\n"


def read_samples(path: Path) -> list[Sample]:
    """All samples of a file.

    Raises:
        DataError: it cannot be read, or a line is none; names file and line.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the samples {str(path)!r}: {error}") from error
    return [_read(line, f"{path} line {number}") for number, line in enumerate(lines, start=1)]


def _read(line: str, where: str) -> Sample:
    try:
        found = json.loads(line)
        values = {name: found[name] for name in _TYPES}
        for name, kind in (("kind", Kind), ("status", Status), ("finish_reason", FinishReason)):
            values[name] = kind(values[name])
        for name, value in values.items():
            if not isinstance(value, _TYPES[name]):
                raise TypeError(f"{name} is {value!r}")
        return Sample(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where} is no sample of an evaluation: {error}") from error


def by_problem(samples: Sequence[Sample], answers: int) -> tuple[Answered, ...]:
    """The samples, ``answers`` to a problem, as they stand in the file."""
    return tuple(Answered(tuple(samples[start : start + answers])) for start in range(0, len(samples), answers))
