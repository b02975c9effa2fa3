"""The settings of ``spro compare``: which methods, with which seeds, on what; every mistake becomes one line."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, field_validator, model_validator

from spro.config.section import Commas, Section, split_commas
from spro.folders import next_numbered
from spro.settings import load_settings, nearest

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")
"""A method's label names folders, files and columns."""
BASE = "base"
"""What the model before training is called in the folder."""


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``{credit.type: spro}`` -> ``{credit: {type: spro}}``, at every depth.

    Raises:
        ValueError: a key is no text, or a value and a section at once.
    """
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if not isinstance(key, str) or not all(key.split(".")):
            raise ValueError(f"{key!r} is no key of the settings")
        *sections, name = key.split(".")
        here = found
        for section in sections:
            here = here.setdefault(section, {})
            if not isinstance(here, dict):
                raise ValueError(f"{section!r} in {key!r} is a value and a section at once")
        if isinstance(value, dict):
            value = nested(value)
            if isinstance(here.get(name), dict):
                value = here[name] | value
        here[name] = value
    return found


def _by_label(value: Any) -> Any:
    """``[spro, grpo]`` stands for the credit methods of these names, each with its own defaults."""
    if isinstance(value, str):
        value = split_commas(value)
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        if len(set(value)) < len(value):
            raise ValueError(f"a method is named twice in {value}")
        return {name: {"credit": {"type": name}} for name in value}
    if isinstance(value, dict):
        empty_too = {label: {} if settings is None else settings for label, settings in value.items()}
        return {label: nested(one) if isinstance(one, dict) else one for label, one in empty_too.items()}
    return value


def _nested_run(value: Any) -> Any:
    return nested(value) if isinstance(value, dict) else value


class FinalConfig(Section):
    """How the last policy of each run, and the model that all begin with, are measured on the held-out problems."""

    samples: Annotated[int, Field(ge=1, le=4096)] = 4
    """Answers to each problem at the temperature of training."""
    greedy: bool = True
    """A greedy answer beside them, which is what the paper's table shows."""
    problems: Annotated[int, Field(ge=2)] | None = None
    """The first so many; without it all."""


class CompareConfig(Section):
    """What is compared."""

    out: Path | None = None
    """Must not exist yet, unless with ``--resume``. Without it: ``comparisons/<task>-<number>``, the next free one."""
    run: Annotated[dict[str, Any] | str | None, BeforeValidator(_nested_run)] = None
    """Settings of ``spro train`` that all runs share, or a file of them, beside this one. Without it the lab run."""
    methods: Annotated[dict[str, dict[str, Any]], BeforeValidator(_by_label)]
    """Label -> the settings in which this method differs; or a list of names as ``spro methods`` prints them."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1), Commas] = (0, 1, 2)
    """Each method trains with each: the same seed is the same data in the same order."""
    baseline: str | None = None
    """The label that the others are held against; without it the first."""
    target_accuracy: Annotated[float, Field(gt=0, le=1)] | None = None
    """Sampled held-out accuracy whose cost is asked for; without it the best that every run of the baseline came to."""
    jobs: Annotated[int, Field(ge=1)] | None = None
    """Processes at a time, of one thread each; without it one a core, and one alone where there is a GPU to share."""
    evaluate: FinalConfig = FinalConfig()

    @field_validator("methods")
    @classmethod
    def _labels(cls, methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for label in methods:
            if not LABEL.fullmatch(label):
                raise ValueError(
                    f"the label {label!r} names a folder: take at most 40 letters, digits and any of _ . + - behind a "
                    "letter or digit"
                )
            if label.lower() == BASE:
                raise ValueError(f"the label {label!r} is taken: the model before training is called so")
        if len({label.lower() for label in methods}) < len(methods):
            raise ValueError("two labels differ in case alone, which some disks take for the same folder")
        if not methods:
            raise ValueError("no method is named")
        return methods

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"a seed stands twice in {list(seeds)}; that would be the same run twice")
        return seeds

    @model_validator(mode="after")
    def _baseline_is_there(self) -> "CompareConfig":
        if self.baseline is not None and self.baseline not in self.methods:
            raise ValueError(f"baseline is {self.baseline!r}, and no method is; {nearest(self.baseline, self.methods)}")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the methods, in the order of the config."""
        return tuple(self.methods)

    @property
    def reference(self) -> str:
        """The label of the baseline."""
        return self.baseline or self.labels[0]


def run_name(label: str, seed: int) -> str:
    """What the folder, the log and the summary of a run are called."""
    return f"{label}-seed-{seed}"


def load_compare(path: Path, words: Sequence[str] = ()) -> tuple[CompareConfig, tuple[str, ...]]:
    """The settings of a file, with ``key=value`` words over them, and what follows ``run.`` in those that are for runs.

    Raises:
        ConfigError: the file cannot be read, or a key or value is wrong; one line.
    """
    of_runs = [word for word in words if word.startswith("run.")]
    config = load_settings(CompareConfig, path, [word for word in words if word not in of_runs])
    if isinstance(config.run, str):
        config = config.model_copy(update={"run": str(path.parent / config.run)})
    return config, tuple(word.removeprefix("run.") for word in of_runs)


def pick_out(config: CompareConfig, task: str) -> Path:
    """``config.out``, or the next free numbered folder under ``comparisons/``."""
    return config.out or next_numbered(Path("comparisons"), task)


def flatten(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Settings as the ``key=value`` words that ``spro train`` reads."""
    words: list[str] = []
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            words += flatten(value, f"{prefix}{key}.")
        else:
            words.append(word_of(f"{prefix}{key}", value))
    return words


def word_of(key: str, value: Any) -> str:
    """One setting as such a word, its value in a line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    # A value that stands alone ends with a line that says so.
    text = text.removesuffix("\n").removesuffix("\n...")
    return f"{key}={text}"
