"""Weights & Biases, by its server or offline as ``WANDB_MODE`` says."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spro.sinks.sink import Label, load_library

EXTRA = "wandb"
ID = "wandb-id.txt"
"""File of the run folder: under what the server knows the run."""


class Wandb:
    """Logs to one run of the server, also after a restart.

    Its own files stand in ``RUN/wandb``. What it has not sent is gone with a process that is killed, and logged again
    by the next one. Offline every process writes a folder of its own, under the same id and with all steps from the
    first, so that the newest is the one to sync.

    Args:
        label: of the run.
        first: the step with which the run goes on. The server's history cannot be taken back: of steps that it holds
            already the first values stay.
    """

    def __init__(self, label: Label, first: int) -> None:
        wandb = load()
        self.run: Any = wandb.init(
            project=label.project,
            name=label.name,
            id=_id(label.folder / ID),
            resume="allow",
            dir=str(label.folder),
            config=dict(label.settings),
            # Numbers and settings, and not what is on the screen or in the working folder.
            settings=wandb.Settings(console="off", silent=True, save_code=False, disable_git=True),
        )
        self.last = self.run.starting_step - 1
        is_offline = self.run.offline
        self.place = f"wandb sync {Path(self.run.dir).parent}" if is_offline else str(self.run.url)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """See ``Sink``."""
        self.run.log(dict(metrics), step=step)

    def close(self) -> None:
        """See ``Sink``."""
        self.run.finish()


def load() -> Any:
    """The library; raises as ``load_library``."""
    return load_library("wandb", EXTRA)


def _id(path: Path) -> str:
    """Of the run; drawn from the system, since the run's own generators must not notice."""
    if not path.is_file():
        path.write_text(uuid.uuid4().hex[:8])
    return path.read_text()
