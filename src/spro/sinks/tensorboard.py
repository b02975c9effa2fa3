"""TensorBoard: event files in the run folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spro.sinks.sink import Label, load_library

EXTRA = "tensorboard"
FOLDER = "tensorboard"


class TensorBoard:
    """Writes scalars to ``RUN/tensorboard``; each step is on the disk when ``log`` returns.

    Args:
        label: of the run.
        first: the step with which the run goes on; TensorBoard forgets what it has read of it and of later ones.
    """

    def __init__(self, label: Label, first: int) -> None:
        folder = label.folder / FOLDER
        self.place = f"tensorboard --logdir {folder}"
        found = _last_step(folder)
        self.last = min(found, first - 1)
        self.writer: Any = load_writer()(str(folder), purge_step=None if found < 0 else self.last + 1)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """See ``Sink``."""
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def close(self) -> None:
        """See ``Sink``."""
        self.writer.close()


def load_writer() -> Any:
    """The class of torch that writes event files; raises as ``load_library``."""
    return load_library("torch.utils.tensorboard", EXTRA).SummaryWriter


def _last_step(folder: Path) -> int:
    """The last step in the event files of a folder; -1 where there is none."""
    if not folder.is_dir():
        return -1
    reading = load_library("tensorboard.backend.event_processing.event_accumulator", EXTRA)
    # One number a name, which is the newest.
    events = reading.EventAccumulator(str(folder), size_guidance={reading.SCALARS: 1})
    events.Reload()
    return max((events.Scalars(tag)[-1].step for tag in events.Tags()[reading.SCALARS]), default=-1)
