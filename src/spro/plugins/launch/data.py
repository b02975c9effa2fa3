"""Problems as the Parquet files that verl reads, in the schema of Eurus-2-RL-Data; spro and TRL read them too."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from spro.config import AccuracyWindowFilter, CalculatorTask, ChainTask, Config
from spro.errors import ConfigError, RunFolderError
from spro.tasks import Problem, TaskData, load_task
from spro.verify import CodeVerifier, Grader, MathVerifier
from spro.window import prompts_drawn

ROWS_AT_ONCE = 1000
"""In memory; a row of code may have megabytes of tests."""


def load_problems(config: Config) -> TaskData:
    """The problems of a task that verifiers can grade.

    Raises:
        ConfigError: there are fewer than a step draws; see also ``drawn_prompts``.
        DataError: see ``load_task``.
    """
    with Grader({"math": MathVerifier(workers=1), "code": CodeVerifier()}) as grader:
        task = load_task(config.task, config.seed, grader.problem_with)
    drawn, wanted = drawn_prompts(config), config.train.prompts_per_step
    if drawn > len(task.train):
        why, remedy = f"train.prompts_per_step {wanted}", "lower it"
        if drawn > wanted:
            why, remedy = f"{why} times filter.oversample_factor {config.filter.oversample_factor:g}", "lower either"
        raise ConfigError(
            f"a step draws {drawn} prompts ({why}), and there are {len(task.train)} to train on: {remedy}"
        )
    return task


def drawn_prompts(config: Config) -> int:
    """Prompts that a step of verl begins with: more than it trains on for the accuracy window alone.

    Raises:
        ConfigError: the window's factor makes no whole number of them.
    """
    section, wanted = config.filter, config.train.prompts_per_step
    if not isinstance(section, AccuracyWindowFilter):
        return wanted
    try:
        return prompts_drawn(section.oversample_factor, wanted)
    except ConfigError as error:
        raise ConfigError(f"filter.{error}") from error


def has_held_out(config: Config) -> bool:
    """Whether the task has problems that are never trained on."""
    task = config.task
    return not isinstance(task, ChainTask | CalculatorTask) and bool(task.held_out_path or task.held_out_problems)


def write_data(task: TaskData, folder: Path) -> list[Path]:
    """Write ``train.parquet`` and, if there are such problems, ``held_out.parquet``; each is whole or not there.

    Args:
        task: its problems are of ``math`` and ``code``.
        folder: made if need be; files of these names are replaced.

    Raises:
        RunFolderError: it cannot be written.
    """
    parts = {"train": task.train, "held_out": task.held_out}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / f"{name}.parquet", name, problems) for name, problems in parts.items() if problems]
    except OSError as error:
        raise RunFolderError(f"cannot write the data of the run into {str(folder)!r}: {error}") from error


def to_row(problem: Problem, split: str, index: int) -> dict[str, Any]:
    """A problem as verl and our task ``eurus`` read it."""
    return {
        "data_source": problem.data_source,
        "prompt": [dict(message) for message in problem.messages],
        "ability": problem.verifier,
        "reward_model": {"style": "rule", "ground_truth": problem.ground_truth},
        "extra_info": {"split": split, "index": index},
    }


def _write(path: Path, split: str, problems: Sequence[Problem]) -> Path:
    # Here and not above: it takes half a second and starts threads, which a dry run does not need.
    import pyarrow
    import pyarrow.parquet

    text = pyarrow.string()
    schema = pyarrow.schema(
        {
            "data_source": text,
            "prompt": pyarrow.list_(pyarrow.struct({"role": text, "content": text})),
            "ability": text,
            "reward_model": pyarrow.struct({"style": text, "ground_truth": text}),
            "extra_info": pyarrow.struct({"split": text, "index": pyarrow.int64()}),
        }
    )
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            with pyarrow.parquet.ParquetWriter(file, schema) as writer:
                for rows in _batches(to_row(problem, split, index) for index, problem in enumerate(problems)):
                    writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch
