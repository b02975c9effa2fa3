"""trackio: a database on this machine, or a server or Space as its environment variables say."""

import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from spro.sinks.sink import Label, load_library

EXTRA = "trackio"
NAME = "trackio-name.txt"
"""File of the run folder: what trackio calls the run. Without it a run of that name is somebody else's."""


class Trackio:
    """Logs to one run of trackio, also after a restart.

    Args:
        label: of the run.
        first: the step with which the run goes on. What trackio holds of it and of later ones stays as it is.
    """

    def __init__(self, label: Label, first: int) -> None:
        trackio, path = load(), label.folder / NAME
        is_known = path.is_file()
        if not is_known:
            path.write_text(label.name)
        # It prints where it writes and how to look at it.
        with redirect_stdout(StringIO()):
            self.run: Any = trackio.init(
                project=label.project,
                name=path.read_text(),
                resume="allow" if is_known else "never",
                config=dict(label.settings),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        self.last = self.run._next_step - 1
        self.place = f"trackio show --project {label.project}"

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """See ``Sink``; raises what trackio only warns of."""
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            self.run.log(dict(metrics), step=step)
        if found:
            raise OSError(str(found[0].message))

    def close(self) -> None:
        """See ``Sink``."""
        with redirect_stdout(StringIO()):
            self.run.finish()


def load() -> Any:
    """The library; raises as ``load_library``."""
    return load_library("trackio", EXTRA)
