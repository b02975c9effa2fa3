"""From the settings of a task to its problems."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from spro.config.task import CalculatorTask, ChainTask, EurusTask, FileTask, MathTask, TaskConfig
from spro.errors import ConfigError, DataError
from spro.tasks.calculator import load_calculator
from spro.tasks.chain import load_chain
from spro.tasks.problem import LoadReport, Problem, TaskData
from spro.tasks.records import read_rows
from spro.tasks.rows import Adapter, ProblemWith, adapt_rows, eurus_adapter, math_adapter


def load_task(task: TaskConfig, seed: int, problem_with: ProblemWith, columns: Collection[str] = ()) -> TaskData:
    """The problems of a task, to train on and held out.

    Args:
        task: its settings.
        seed: of what is generated and of which problems are held out.
        problem_with: says of a verifier and a ground truth why nothing can be graded with them; problems of which it
            says so are counted and skipped.
        columns: fields of the rows that the problems keep, beside what all have.

    Raises:
        ConfigError: a column of a task that has no rows.
        DataError: a file is missing or breaks its schema, or no row is usable; names file and row.
    """
    own: tuple[str, ...]
    match task:
        case ChainTask() | CalculatorTask() if columns:
            raise ConfigError(f"a reward function wants the column {min(columns)!r}, and the lab task has no rows")
        case ChainTask():
            return load_chain(seed, task.train_problems, task.held_out_problems, task.min_operators, task.max_operators)
        case CalculatorTask():
            return load_calculator(seed, **task.model_dump(exclude={"type"}))
        case EurusTask():
            own = ("data_source", "prompt", "ability", "reward_model")
            return _load_files(task, _Reader(task, eurus_adapter, own, problem_with, columns), seed)
        case MathTask():
            adapter = math_adapter(task.question_key, task.answer_key, task.system_prompt, task.prompt_suffix)
            own = (task.question_key, task.answer_key)
            return _load_files(task, _Reader(task, adapter, own, problem_with, columns), seed)


@dataclass(frozen=True)
class _Reader:
    """How the files of one task are read."""

    task: FileTask
    adapter: Adapter
    own: tuple[str, ...]
    problem_with: ProblemWith
    columns: Collection[str]

    def read(self, path: str, report: LoadReport) -> list[Problem]:
        rows = read_rows(path, self.task.split, sorted({*self.own, *self.columns}))
        limit = self.task.max_problems
        problems = adapt_rows(rows, self.adapter, self.problem_with, self.columns, limit, report)
        if not problems:
            raise DataError(f"{path!r} gives no usable problem: {report}")
        return problems


def _load_files(task: FileTask, reader: _Reader, seed: int) -> TaskData:
    report = LoadReport()
    problems = reader.read(task.path, report)
    if task.held_out_path:
        held_out = reader.read(task.held_out_path, report)
    else:
        cut = task.held_out_problems
        if cut >= len(problems):
            raise DataError(f"task.held_out_problems is {cut}, and {task.path!r} gives {len(problems)}")
        random.Random(seed).shuffle(problems)
        problems, held_out = problems[cut:], problems[:cut]
    return TaskData(_apart(problems, held_out, report), tuple(held_out), report)


def _apart(problems: Sequence[Problem], held_out: Sequence[Problem], report: LoadReport) -> tuple[Problem, ...]:
    """The problems to train on: what is held out is never one of them, in whatever row or file it stands again.

    Raises:
        DataError: none is left.
    """
    asked = {_question(problem) for problem in held_out}
    kept = []
    for problem in problems:
        if _question(problem) in asked:
            report.kept -= 1
            report.skip("held out", problem.problem_id)
        else:
            kept.append(problem)
    if not kept:
        raise DataError(f"every problem to train on is held out as well: {report}; give other files")
    return tuple(kept)


def _question(problem: Problem) -> tuple[str, ...]:
    return tuple(message["content"] for message in problem.messages)
