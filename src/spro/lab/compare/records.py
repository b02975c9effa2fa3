"""A comparison as its folder tells it: the settings, and the summaries of the runs that are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spro.errors import RunFolderError
from spro.lab.compare.config import BASE, CompareConfig, load_compare, run_name
from spro.lab.compare.folder import CompareFolder
from spro.lab.compare.summary import Summary, read_summary


@dataclass(frozen=True)
class Comparison:
    """What was compared, and what came of it.

    Attributes:
        config: of the comparison.
        base: of the model that all runs began with; None where it was not measured.
        runs: label -> seed -> the runs that came to their end.
        failures: label -> seed -> why a run did not.
    """

    config: CompareConfig
    base: Summary | None
    runs: Mapping[str, Mapping[int, Summary]]
    failures: Mapping[str, Mapping[int, str]]

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the methods with a run that came to its end, in the order of the config."""
        return tuple(label for label in self.config.labels if self.runs[label])

    def seeds(self, *labels: str) -> tuple[int, ...]:
        """Those whose run came to its end for each of ``labels``."""
        return tuple(seed for seed in self.config.seeds if all(seed in self.runs[label] for label in labels))


def read_comparison(path: Path) -> Comparison:
    """Read ``compare.yaml`` and ``summaries/``; nothing else of the folder is needed.

    Raises:
        RunFolderError: it is no comparison, no run has come to its end, or a summary is damaged.
    """
    folder = CompareFolder(path)
    if not folder.settings.is_file():
        raise RunFolderError(f"{path} has no {folder.settings.name}: give the folder that `spro compare` wrote")
    config, _ = load_compare(folder.settings)
    runs: dict[str, dict[int, Summary]] = {label: {} for label in config.labels}
    failures: dict[str, dict[int, str]] = {label: {} for label in config.labels}
    for label in config.labels:
        for seed in config.seeds:
            summary = _read(folder.summary(run_name(label, seed)))
            if summary is None or summary.failure:
                failures[label][seed] = "not run yet" if summary is None else summary.failure
            else:
                runs[label][seed] = summary
    base = _read(folder.summary(BASE))
    return Comparison(config, base if base is not None and not base.failure else None, runs, failures)


def _read(path: Path) -> Summary | None:
    return read_summary(path) if path.is_file() else None
