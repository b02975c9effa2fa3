"""A comparison as its folder tells it: the settings, and the summaries of the runs that are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from spro.errors import RunFolderError
from spro.lab.compare.config import BASE, CompareConfig, load_compare, run_name
from spro.lab.compare.folder import CompareFolder
from spro.lab.compare.summary import Summary, read_summary


class State(Enum):
    """Why a run has no result; the value is what a reader is told."""

    FAILED = "failed"
    NOT_RUN = "not run yet"


@dataclass(frozen=True)
class Absence:
    """A run without a result.

    Attributes:
        state: why.
        reason: why it failed; empty for one that was not run yet.
    """

    state: State
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """What was compared, and what came of it.

    Attributes:
        config: of the comparison.
        base: of the model that all runs began with; None where it was not measured.
        runs: label -> seed -> the runs that came to their end.
        absent: label -> seed -> why a run did not.
    """

    config: CompareConfig
    base: Summary | None
    runs: Mapping[str, Mapping[int, Summary]]
    absent: Mapping[str, Mapping[int, Absence]]

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the methods with a run that came to its end, in the order of the config."""
        return tuple(label for label in self.config.labels if self.runs[label])

    @property
    def lone(self) -> tuple[str, ...]:
        """Of these methods a single run came to its end: what it came to says nothing of other seeds."""
        return tuple(label for label in self.labels if len(self.runs[label]) == 1)

    def seeds(self, *labels: str) -> tuple[int, ...]:
        """Those whose run came to its end for each of ``labels``."""
        return tuple(seed for seed in self.config.seeds if all(seed in self.runs[label] for label in labels))


def read_comparison(path: Path) -> Comparison:
    """Read ``compare.yaml`` and ``summaries/``; nothing else of the folder is needed.

    Raises:
        ConfigError: ``compare.yaml`` is damaged.
        RunFolderError: it is no comparison, or a summary is damaged.
    """
    folder = CompareFolder(path)
    if not folder.settings.is_file():
        raise RunFolderError(f"{path} has no {folder.settings.name}: give the folder that `spro compare` wrote")
    config, _ = load_compare(folder.settings)
    runs: dict[str, dict[int, Summary]] = {label: {} for label in config.labels}
    absent: dict[str, dict[int, Absence]] = {label: {} for label in config.labels}
    for label in config.labels:
        for seed in config.seeds:
            summary = _read(folder.summary(run_name(label, seed)))
            if summary is None:
                absent[label][seed] = Absence(State.NOT_RUN)
            elif summary.failure:
                absent[label][seed] = Absence(State.FAILED, summary.failure)
            else:
                runs[label][seed] = summary
    base = _read(folder.summary(BASE))
    return Comparison(config, base if base is not None and not base.failure else None, runs, absent)


def _read(path: Path) -> Summary | None:
    return read_summary(path) if path.is_file() else None
