"""The folder of a comparison, of which one process at a time writes.

compare.yaml     the settings; with summaries/ all that tables, figures and page are made of
summaries/       one small file a run, and base.json of the model that all begin with
configs/         the resolved settings of each method
runs/            ordinary run folders, logs/ what their processes said
scores/          final measurements on their way into the summaries
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spro.config import TaskConfig
from spro.errors import ConfigError, RunFolderError
from spro.folders import check_absent, lock_folder, write_whole
from spro.lab.compare.config import CompareConfig, load_compare, run_name
from spro.lab.compare.problems import problems_seed
from spro.settings import dump_config

SETTINGS = "compare.yaml"
PATIENCE_S = 5.0
"""How long one waits for the children of a process that was killed, which die with it but not in the same moment."""
FREE = ("out", "jobs", "baseline", "target_accuracy", "seeds", "methods")
"""Settings that may change between the begin of a comparison and ``--resume``; a method that stays keeps its own, and
no seed may change the held-out problems."""


@dataclass(frozen=True)
class CompareFolder:
    """Paths in it.

    Attributes:
        path: of the folder.
    """

    path: Path

    @property
    def settings(self) -> Path:
        """``compare.yaml``."""
        return self.path / SETTINGS

    def config(self, label: str) -> Path:
        """Resolved settings of a method."""
        return self.path / "configs" / f"{label}.yaml"

    def run(self, label: str, seed: int) -> Path:
        """The run folder."""
        return self.path / "runs" / run_name(label, seed)

    def summary(self, name: str) -> Path:
        """What is kept of a run, or of ``base``."""
        return self.path / "summaries" / f"{name}.json"

    def scores(self, name: str) -> Path:
        """Where the program that measures writes."""
        return self.path / "scores" / f"{name}.json"

    def log(self, name: str) -> Path:
        """What the processes of a run said."""
        return self.path / "logs" / f"{name}.log"


@contextmanager
def opened_folder(
    config: CompareConfig, task: TaskConfig, out: Path, resume: bool
) -> Iterator[tuple[CompareFolder, int]]:
    """The folder with its settings written, and the descriptor of its lock.

    Args:
        config: of the comparison, as it is kept.
        task: of all runs.
        out: the folder.
        resume: whether it may have been begun already.

    Raises:
        RunFolderError: it exists and is not to be resumed, is no comparison, cannot be written, or another process is
            at work in it.
        ConfigError: it is to be resumed with other settings than it was begun with.
    """
    folder = CompareFolder(out)
    if not resume:
        check_absent(out, ": go on with it by --resume, or choose another with out=")
    if out.exists() and not folder.settings.is_file() and not _is_barely_begun(out):
        raise RunFolderError(f"cannot go on with {str(out)!r}: it is no comparison, it has no {SETTINGS}")
    try:
        out.mkdir(parents=True, exist_ok=resume)
        lock = lock_folder(out, "compares in", PATIENCE_S)
    except OSError as error:
        raise RunFolderError(f"{str(out)!r} cannot be written ({error.strerror}): choose another with out=") from error
    try:
        if folder.settings.is_file():
            _check_same(load_compare(folder.settings)[0], config, task)
        (out / "summaries").mkdir(exist_ok=True)
        (out / "configs").mkdir(exist_ok=True)
        (out / "scores").mkdir(exist_ok=True)
        write_whole(folder.settings, dump_config(config))
        yield folder, lock
    finally:
        os.close(lock)


def _is_barely_begun(out: Path) -> bool:
    return out.is_dir() and not any(out.glob("runs/*")) and not any(path.suffix == ".yaml" for path in out.iterdir())


def _check_same(begun: CompareConfig, config: CompareConfig, task: TaskConfig) -> None:
    for key in CompareConfig.model_fields.keys() - set(FREE):
        if getattr(begun, key) != getattr(config, key):
            raise ConfigError(
                f"cannot go on: {key} is not what the comparison was begun with ({SETTINGS} in its folder); set it "
                "back, or begin another with out="
            )
    for label in begun.methods.keys() & config.methods.keys():
        if begun.methods[label] != config.methods[label]:
            raise ConfigError(
                f"cannot go on: methods.{label} is {config.methods[label]}, and the comparison was begun with "
                f"{begun.methods[label]}; set it back, or give the new one another label"
            )
    if problems_seed(task, begun.seeds) != problems_seed(task, config.seeds):
        raise ConfigError(
            f"cannot go on: seeds is {list(config.seeds)}, and the comparison was begun with {list(begun.seeds)}, "
            "whose seed has drawn the held-out problems that all are measured on; set it back, or begin another with "
            "out="
        )
