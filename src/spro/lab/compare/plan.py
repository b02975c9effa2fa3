"""From the settings of a comparison to those of every run; what is wrong in any of them is found here."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spro.config import Config
from spro.errors import ConfigError
from spro.lab.compare.config import CompareConfig, flatten, word_of
from spro.lab.compare.problems import problems_seed
from spro.settings import check_settings, load_config
from spro.train.companions import find_needs, pick_teacher
from spro.train.setup import build_credit, resolve

SHARED = (
    "seed",
    "run_dir",
    "task",
    "model.path",
    "rollout.max_prompt_length",
    "rollout.max_response_length",
    "rollout.temperature",
    "verify",
    "train.steps",
    "train.prompts_per_step",
    "evaluate",
)
"""What no method may set: with these equal, two runs of one seed see the same problems in the same order, as many of
them, and are measured at the same steps, by the same grader, with answers sampled alike."""


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        base: what all runs share.
        methods: label -> the resolved settings of its runs; seed and folder are still to be set.
        problems_seed: of the held-out problems that the final policies are measured on, the same for all.
    """

    base: Config
    methods: Mapping[str, Config]
    problems_seed: int


def make_plan(config: CompareConfig, words: Sequence[str]) -> Plan:
    """Load and resolve the settings of every run.

    Args:
        config: of the comparison.
        words: ``key=value`` settings over those of ``config.run``.

    Raises:
        ConfigError: a setting of a run is wrong, or it would make the comparison unfair; one line, with the label.
    """
    base = _load_base(config.run, words)
    for key in ("seed", "run_dir"):
        if key in base.model_fields_set:
            where = f" ({config.run})" if isinstance(config.run, str) else ""
            raise ConfigError(f"run{where} sets {key}, which the comparison gives to each run; use seeds and out")
    methods = {label: _load_method(base, label, settings) for label, settings in config.methods.items()}
    _check_measured(base)
    return Plan(base, methods, problems_seed(base.task, config.seeds))


def default_jobs(base: Config) -> int:
    """Processes at a time: one a core, and one alone where they would share a GPU."""
    device = base.model.device
    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load_base(run: dict[str, Any] | str | None, words: Sequence[str]) -> Config:
    if isinstance(run, str):
        return load_config(Path(run), words)
    try:
        return load_config(None, [*flatten(run or {}), *words])
    except ConfigError as error:
        # To the user these were no words on the command line.
        raise ConfigError(f"run: {str(error).removeprefix('the command line: ')}") from error


def _load_method(base: Config, label: str, settings: Mapping[str, Any]) -> Config:
    for key in SHARED:
        if _holds(settings, key.split(".")):
            raise ConfigError(
                f"methods.{label} sets {key}, which all methods share, so that each sees the same data for as many "
                "steps and is measured alike: set it under run"
            )
    shared = base.model_dump(mode="json")
    source = f"methods.{label}"
    config = check_settings(Config, source, shared, _words_over(shared, settings))
    try:
        # Any folder: without one the next free one is looked for.
        resolved = resolve(config.model_copy(update={"run_dir": Path("run")}))
        credit = build_credit(resolved.credit)
        find_needs(resolved, credit, pick_teacher(resolved, credit))
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
    return resolved.model_copy(update={"run_dir": None, "seed": 0})


def _words_over(base: Mapping[str, Any], settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The words that lay ``settings`` over ``base``; where that holds no section, a section is set as a whole."""
    words: list[str] = []
    for key, value in settings.items():
        below = base.get(key)
        if isinstance(value, dict) and value and isinstance(below, dict):
            words += _words_over(below, value, f"{prefix}{key}.")
        else:
            words.append(word_of(f"{prefix}{key}", value))
    return words


def _holds(settings: Mapping[str, Any], keys: Sequence[str]) -> bool:
    here: Any = settings
    for key in keys:
        if not isinstance(here, dict) or key not in here:
            return False
        here = here[key]
    return True


def _check_measured(base: Config) -> None:
    task = base.task
    held_out = getattr(task, "held_out_path", None) or task.held_out_problems
    if not held_out:
        raise ConfigError(
            "run holds no problems out: set task.held_out_problems or task.held_out_path, or nothing can be compared"
        )
    if not base.evaluate.every:
        raise ConfigError(
            "run.evaluate.every is 0, and the learning curves are made of these evaluations: set it to 1 or more"
        )
