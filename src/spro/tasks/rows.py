"""Rows of a known schema into problems. An adapter is one function: a row in, a problem or the reason for none out."""

import json
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from spro.errors import DataError
from spro.tasks.problem import LoadReport, Message, Problem
from spro.tasks.records import Row


class Skipped(Exception):  # noqa: N818 - it is no error: the row is counted and the next one read
    """This row cannot be asked.

    Args:
        reason: the same for all rows that it holds for.
        detail: of this one row.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


Adapter = Callable[[Row], Problem]
"""Raises ``Skipped`` for a row that is well-formed and unusable, ``DataError`` for one that breaks the schema."""

ProblemWith = Callable[[str, str], str]
"""(verifier, ground truth) -> why nothing can be graded with them; empty when something may be."""


def adapt_rows(
    rows: Iterator[Row],
    adapter: Adapter,
    problem_with: ProblemWith,
    columns: Collection[str],
    limit: int | None,
    report: LoadReport,
) -> list[Problem]:
    """The problems of all rows that are usable and can be graded, at most ``limit``; the others are counted.

    Each keeps the fields of its row that ``columns`` name.

    Raises:
        DataError: a row breaks its schema, or has not such a field.
    """

    def usable() -> Iterator[Problem]:
        for row in rows:
            try:
                problem = adapter(row)
                if reason := problem_with(problem.verifier, problem.ground_truth):
                    raise Skipped("nothing can be graded", reason)
                if columns:
                    schema = "a reward function wants it"
                    problem = replace(problem, columns={name: _plain_field(row, schema, name) for name in columns})
            except Skipped as reason:
                report.skip(str(reason), f"{row.where}: {reason.detail}" if reason.detail else row.where)
            else:
                report.kept += 1
                yield problem

    return list(islice(usable(), limit))


def get_field(row: Row, schema: str, *path: str) -> Any:
    """``row.values[path[0]][path[1]]...``; a missing field is an error that names row, field and schema."""
    value: Any = row.values
    for name in path:
        if not isinstance(value, dict) or name not in value:
            raise DataError(f"{row.where} has no field {'.'.join(path)!r}; {schema}")
        value = value[name]
    return value


def _plain_field(row: Row, schema: str, name: str) -> Any:
    value = get_field(row, schema, name)
    try:
        json.dumps(value)
    except TypeError:
        raise DataError(f"{row.where}: {name} is a {type(value).__name__}, no plain data; {schema}") from None
    return value


def get_text(row: Row, schema: str, *path: str) -> str | None:
    """A field that holds text, or None for null, NaN (both also as words) and blanks; numbers are written out."""
    value = get_field(row, schema, *path)
    try:
        return to_text(value)
    except TypeError:
        raise DataError(f"{row.where}: {'.'.join(path)} is a {type(value).__name__}, expected text; {schema}") from None


def to_text(value: object) -> str | None:
    """What a field says: text, a number written out, or None for null, NaN (both also as words) and blanks.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str | None):
        raise TypeError(f"a {type(value).__name__} is no text")
    # What a file writer makes of a missing value; no answer is spelled like this.
    return value if value and value.strip().lower() not in ("", "null", "nan") else None


def get_ground_truth(row: Row, schema: str, *path: str) -> str:
    """The answer; a row without one cannot be asked, whether its field is empty or absent."""
    holder: Any = row.values
    for name in path:
        if holder is None or (isinstance(holder, dict) and name not in holder):
            raise Skipped(f"no ground truth (no field {'.'.join(path)!r})")
        holder = holder[name] if isinstance(holder, dict) else holder
    ground_truth = get_text(row, schema, *path)
    if ground_truth is None:
        raise Skipped("no ground truth")
    return ground_truth


def eurus_adapter(row: Row) -> Problem:
    """A row of PRIME-RL/Eurus-2-RL-Data: data_source, prompt (a chat), ability, reward_model.ground_truth."""
    schema = "Eurus-2-RL-Data rows have data_source, prompt, ability and reward_model"
    ability = get_text(row, schema, "ability")
    if ability not in ("math", "code"):
        raise Skipped(f"ability {ability!r} is neither math nor code")
    ground_truth = get_ground_truth(row, schema, "reward_model", "ground_truth")
    chat = get_field(row, schema, "prompt")
    if not isinstance(chat, list) or not chat or not all(_is_message(message) for message in chat):
        raise DataError(f"{row.where}: prompt is not a list of messages with role and content; {schema}")
    messages = tuple(Message(role=message["role"], content=message["content"]) for message in chat)
    return Problem(row.where, messages, ground_truth, ability, get_text(row, schema, "data_source") or "unknown")


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def math_adapter(question_key: str, answer_key: str, system_prompt: str | None, prompt_suffix: str) -> Adapter:
    """Rows with a question and its final answer under the given column names."""
    schema = f"this task reads the columns {question_key!r} and {answer_key!r} (task.question_key, task.answer_key)"

    def adapt(row: Row) -> Problem:
        question = get_text(row, schema, question_key)
        if question is None:
            raise Skipped("no question")
        answer = get_ground_truth(row, schema, answer_key)
        system = (Message(role="system", content=system_prompt),) if system_prompt else ()
        user = Message(role="user", content=question + prompt_suffix)
        return Problem(row.where, (*system, user), answer, "math", "math")

    return adapt
