"""From the settings of a task to its problems."""

import random
from collections.abc import Sequence

from spro.config import ChainTask, EurusTask, FileTask, MathTask, TaskConfig
from spro.errors import DataError
from spro.tasks.chain import load_chain
from spro.tasks.problem import LoadReport, Problem, TaskData
from spro.tasks.records import read_rows
from spro.tasks.rows import Adapter, adapt_rows, eurus_adapter, math_adapter


def load_task(task: TaskConfig, seed: int) -> TaskData:
    """The problems of a task, to train on and held out.

    Raises:
        DataError: a file is missing or breaks its schema, or no row is usable; names file and row.
    """
    match task:
        case ChainTask():
            return load_chain(seed, task.train_problems, task.held_out_problems, task.min_operators, task.max_operators)
        case EurusTask():
            return _load_files(task, eurus_adapter, ("data_source", "prompt", "ability", "reward_model"), seed)
        case MathTask():
            adapter = math_adapter(task.question_key, task.answer_key, task.system_prompt, task.prompt_suffix)
            return _load_files(task, adapter, (task.question_key, task.answer_key), seed)


def _load_files(task: FileTask, adapter: Adapter, columns: Sequence[str], seed: int) -> TaskData:
    report = LoadReport()
    problems = _load_file(task.path, task, adapter, columns, report)
    if task.held_out_path:
        held_out = _load_file(task.held_out_path, task, adapter, columns, LoadReport())
        return TaskData(tuple(problems), tuple(held_out), report)
    if task.held_out_problems >= len(problems):
        raise DataError(f"task.held_out_problems is {task.held_out_problems}, and {task.path!r} gives {len(problems)}")
    random.Random(seed).shuffle(problems)
    cut = task.held_out_problems
    return TaskData(train=tuple(problems[cut:]), held_out=tuple(problems[:cut]), report=report)


def _load_file(
    path: str, task: FileTask, adapter: Adapter, columns: Sequence[str], report: LoadReport
) -> list[Problem]:
    problems = adapt_rows(read_rows(path, task.split, columns), adapter, task.max_problems, report)
    if not problems:
        raise DataError(f"{path!r} gives no usable problem: {report}")
    return problems
