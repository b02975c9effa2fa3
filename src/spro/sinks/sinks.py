"""All sinks of a run together, none of which can end it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spro.config import LogConfig
from spro.sinks import tensorboard, trackio, wandb
from spro.sinks.names import Names, renamed
from spro.sinks.sink import Label, Open, Sink

Logged = Sequence[tuple[int, Mapping[str, float | None]]]
"""Step and metrics, as they stand in ``metrics.jsonl``."""

OPENERS: Mapping[str, tuple[Callable[[], object], Open]] = {
    "tensorboard": (tensorboard.load_writer, tensorboard.TensorBoard),
    "wandb": (wandb.load, wandb.Wandb),
    "trackio": (trackio.load, trackio.Trackio),
}
"""Imports the library, and opens the sink."""


class Sinks:
    """What a run logs to beside its folder.

    A sink that fails is told of once and left out; ``metrics.jsonl`` has all of it, and when the run is gone on with,
    what a sink lacks is logged again.

    Args:
        openers: by name.
        label: of the run; may be missing where there are no openers.
        names: whose metrics are called how.
    """

    def __init__(
        self, openers: Mapping[str, Open] | None = None, label: Label | None = None, names: Names = "spro"
    ) -> None:
        self.openers = openers or {}
        self.label = label
        self.names = names
        self._open: dict[str, Sink] = {}
        self._say: Callable[[str], None] = lambda line: None

    def open(self, logged: Logged, say: Callable[[str], None]) -> None:
        """Begin, or go on behind what the run has logged; what a sink lacks of it is made up for.

        Args:
            logged: in order of the steps.
            say: tells a person, once for each sink, where it is or why it is not.
        """
        self._say = say
        first = logged[-1][0] + 1 if logged else 0
        for name, opener in self.openers.items():
            assert self.label is not None
            try:
                self._open[name] = opener(self.label, first)
            except Exception as error:
                say(_lost(name, "cannot be opened and is left out", error))
            else:
                say(f"{name}: {self._open[name].place}")
        for step, metrics in logged:
            self.log(step, metrics)

    def log(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Show the metrics of a step, but for those that were not measured, wherever they are not shown yet."""
        if not self._open:
            return
        numbers = renamed(metrics, self.names)
        for name, sink in list(self._open.items()):
            if step <= sink.last:
                continue
            try:
                sink.log(step, numbers)
            except Exception as error:
                self._say(_lost(name, f"failed at step {step} and is left out from here on", error))
                del self._open[name]
                # Told already.
                self._close(name, sink, lambda line: None)

    def close(self) -> None:
        """Close what is open; twice does no harm."""
        while self._open:
            self._close(*self._open.popitem(), self._say)

    def _close(self, name: str, sink: Sink, say: Callable[[str], None]) -> None:
        try:
            sink.close()
        except Exception as error:
            say(_lost(name, "failed at its end", error))


def build_sinks(section: LogConfig, folder: Path, settings: Mapping[str, Any]) -> Sinks:
    """The sinks that the settings name, not open yet; nothing is written or sent.

    Args:
        section: names them.
        folder: of the run; its name is the run's if the section gives none.
        settings: of the run, for sinks that show them.

    Raises:
        ConfigError: a library is missing.
    """
    for name in section.sinks:
        OPENERS[name][0]()
    openers: dict[str, Open] = {name: OPENERS[name][1] for name in section.sinks}
    label = Label(folder, section.project, section.run_name or folder.name, settings)
    return Sinks(openers, label, section.metric_names)


def _lost(name: str, what: str, error: Exception) -> str:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return f"{name} {what} ({reason}); metrics.jsonl has everything, and --resume makes up for it"
