"""trackio: a database on this machine, or a server or Space as its environment variables say."""

import uuid
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from spro.sinks.sink import Label, load_library

EXTRA = "trackio"
NAME = "trackio-name.txt"
"""File of the run folder: what trackio calls the run, once it has begun it."""


class Trackio:
    """Logs to one run of trackio, also after a restart.

    trackio goes on with the latest run of a name, whoever began it, and names of run folders repeat. So the run's own
    name has eight digits behind it that no other has.

    Args:
        label: of the run.
        first: the step with which the run goes on. What trackio holds of it and of later ones stays as it is.
    """

    def __init__(self, label: Label, first: int) -> None:
        trackio, path = load(), label.folder / NAME
        known = _known_name(path)
        name = known or f"{label.name}-{uuid.uuid4().hex[:8]}"
        # It prints where it writes and how to look at it.
        with redirect_stdout(StringIO()):
            self.run: Any = trackio.init(
                project=label.project,
                name=name,
                resume="allow" if known else "never",
                config=dict(label.settings),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        # Behind init: a name that trackio has not taken is no run to go on with.
        if not known:
            path.write_text(name)
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


def _known_name(path: Path) -> str:
    """Empty before the first start."""
    return path.read_text() if path.is_file() else ""
