"""A run folder as frozen records.

Strict about what makes a report impossible (no folder, no metrics), tolerant about all else: a key that is absent, a
value that is null or no number, a config that is no mapping.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from spro.errors import RunFolderError
from spro.report.jsonl import read_lines
from spro.report.rollouts import Group, read_groups
from spro.report.series import Series

# Beyond this a float skips whole numbers, and so would an axis.
MAX_STEP = 2**53


@dataclass(frozen=True, slots=True)
class Metrics:
    """All of metrics.jsonl, by ascending step."""

    rows: tuple[tuple[int, Mapping[str, float | None]], ...]

    @property
    def steps(self) -> tuple[int, ...]:
        """Every logged step."""
        return tuple(step for step, _ in self.rows)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key, in the order of its first appearance."""
        return tuple(dict.fromkeys(key for _, row in self.rows for key in row))

    def series(self, key: str) -> Series:
        """The metric ``key``; without points when no step measured it."""
        found = [(step, row[key]) for step, row in self.rows if key in row]
        return Series(tuple(step for step, _ in found), tuple(value for _, value in found))


@dataclass(frozen=True, slots=True)
class Run:
    """What a report is made of.

    Attributes:
        name: the folder's own name.
        config: the parsed config; empty when it is absent or no mapping.
        config_text: config.yaml as it stands; empty when absent.
        metrics: at least one step.
        groups: the responses to show, most recent step first.
        cut_off: the last metrics line was half written.
    """

    name: str
    config: Mapping[str, object]
    config_text: str
    metrics: Metrics
    groups: tuple[Group, ...]
    cut_off: bool

    def setting(self, section: str) -> Mapping[str, object]:
        """One section of the config, empty when it is absent."""
        found = self.config.get(section)
        return found if isinstance(found, dict) else {}


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        RunFolderError: there is no such folder, it holds no metrics, or a file in it is damaged.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder: give the run folder that `spro train` wrote")
    path = folder / "metrics.jsonl"
    if not path.is_file():
        raise RunFolderError(f"{folder} has no metrics.jsonl: give the run folder that `spro train` wrote")
    lines = read_lines(path)
    by_step: dict[int, dict[str, float | None]] = {}
    for record in lines.records:
        step = record.get("step")
        if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step <= MAX_STEP:
            raise RunFolderError(f"{path} has a line whose step is no whole number: remove that line and try again")
        # A run resumed from a checkpoint writes steps again; the later line is the one that trained the model.
        by_step.setdefault(step, {}).update(_measurements(record))
    if not by_step:
        raise RunFolderError(f"{path} holds no step yet: wait until the run has finished its first one")
    text = _config_text(folder / "config.yaml")
    return Run(
        name=folder.resolve().name,
        config=_parse_config(text),
        config_text=text,
        metrics=Metrics(tuple(sorted(by_step.items()))),
        groups=read_groups(folder / "rollouts"),
        cut_off=lines.cut_off,
    )


def _measurements(record: Mapping[str, object]) -> dict[str, float | None]:
    kept: dict[str, float | None] = {}
    for key, value in record.items():
        if value is None:
            kept[key] = None
        elif isinstance(value, int | float) and not isinstance(value, bool) and key != "step":
            kept[key] = _finite(value)
    return kept


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _config_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error.strerror}): check its permissions") from error


def _parse_config(text: str) -> Mapping[str, object]:
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}
