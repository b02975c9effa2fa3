"""Sampled responses, and which of them a reader should see.

A group whose members all succeed or all fail has no outcome signal, so groups with mixed outcomes come first: there
the colours have something to tell. One group of the earliest file stands beside the latest for comparison.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spro.report.jsonl import read_lines

LATEST_GROUPS = 3
EARLY_GROUPS = 1

Numbers = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Response:
    """One sampled response; every per-token tuple is as long as ``tokens``.

    Attributes:
        text: the whole response, for when no tokens were kept.
        score: None when it could not be graded.
        status: the verdict in one word; empty when there is none.
        written: whether the policy wrote the token; one that a tool wrote has no numbers.
        terms: the additive parts of the advantage, by name.
    """

    text: str
    score: float | None
    status: str
    extracted: str
    detail: str
    finish_reason: str
    tokens: tuple[str, ...]
    written: tuple[bool, ...]
    advantages: Numbers
    terms: Mapping[str, Numbers]
    old_log_probs: Numbers
    ref_log_probs: Numbers


@dataclass(frozen=True, slots=True)
class Group:
    """The responses to one prompt in one step."""

    step: int
    problem_id: str
    prompt: str
    ground_truth: str
    responses: tuple[Response, ...]

    @property
    def mixed(self) -> bool:
        """Whether the graded members differ in score."""
        return len({r.score for r in self.responses if r.score is not None}) > 1


def read_groups(folder: Path) -> tuple[Group, ...]:
    """The groups to show: up to three of the latest step and one of the earliest.

    Only as many files are opened as that takes: a long run has thousands.

    Raises:
        RunFolderError: a file that is opened is damaged before its last line.
    """
    files = sorted((step, path) for path in folder.glob("step-*.jsonl") if (step := _step_of(path)) is not None)
    latest: tuple[Group, ...] = ()
    while files and not latest:
        latest = _read_file(*files.pop())
    early: tuple[Group, ...] = ()
    while files and not early:
        early = _read_file(*files.pop(0))
    shown = _worth_seeing(latest)[:LATEST_GROUPS]
    same_problem = {group.problem_id for group in shown}
    compared = sorted(_worth_seeing(early), key=lambda group: group.problem_id not in same_problem)
    return (*shown, *compared[:EARLY_GROUPS])


def _step_of(path: Path) -> int | None:
    found = re.fullmatch(r"step-([0-9]{1,18})", path.stem)
    return int(found[1]) if found else None


def _worth_seeing(groups: tuple[Group, ...]) -> list[Group]:
    return sorted(groups, key=lambda group: (not group.mixed, len(group.responses) < 2))


def _read_file(step: int, path: Path) -> tuple[Group, ...]:
    # By the number of the group and not by its problem alone, which a step may draw twice.
    members: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for record in read_lines(path).records:
        key = _string(record.get("group")), _string(record.get("problem_id"))
        members.setdefault(key, []).append(record)
    return tuple(
        Group(
            step=step,
            problem_id=problem_id,
            prompt=_string(records[0].get("prompt")),
            ground_truth=_string(records[0].get("ground_truth")),
            responses=tuple(_response(record) for record in records),
        )
        for (_, problem_id), records in members.items()
    )


def _response(record: Mapping[str, object]) -> Response:
    raw_tokens = record.get("tokens")
    tokens = tuple(_string(token) for token in raw_tokens) if isinstance(raw_tokens, list) else ()
    verdict = _mapping(record.get("verdict"))
    written = _written(record.get("response_mask"), len(tokens))
    return Response(
        text=_string(record.get("response")),
        score=_number(verdict.get("score")),
        status=_string(verdict.get("status")),
        extracted=_string(verdict.get("extracted")),
        detail=_string(verdict.get("detail")),
        finish_reason=_string(record.get("finish_reason")),
        tokens=tokens,
        written=written,
        advantages=_numbers(record.get("advantages"), written),
        terms={name: _numbers(values, written) for name, values in _mapping(record.get("terms")).items()},
        old_log_probs=_numbers(record.get("old_log_probs"), written),
        ref_log_probs=_numbers(record.get("ref_log_probs"), written),
    )


def _string(value: object) -> str:
    return "" if value is None else str(value)


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _written(value: object, size: int) -> tuple[bool, ...]:
    """As many as there are tokens; where nothing is said, the policy wrote it."""
    mask = value[:size] if isinstance(value, list) else []
    return tuple(item is not False for item in (*mask, *[True] * (size - len(mask))))


def _numbers(value: object, written: tuple[bool, ...]) -> Numbers:
    """A number or None a token: a list cut or padded, a single number repeated; None where a tool wrote."""
    size = len(written)
    items = (*value[:size], *[None] * (size - len(value))) if isinstance(value, list) else (value,) * size
    return tuple(_number(item) if by_policy else None for item, by_policy in zip(items, written, strict=True))
