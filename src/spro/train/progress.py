"""What a person sees of a run while it goes on."""

import sys
import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from spro.report import CAUSES
from spro.train.metrics import Metrics

SHOWN = {
    "accuracy": "accuracy",
    "chunk/greedy": "greedy accuracy",
    "chunk/sampled": "sampled score",
    "reward": "reward",
    "response_length/mean": "length",
    "entropy": "entropy",
}
"""Metric -> what a person is told it is; those that begin with ``chunk/`` are of ``spro eval``."""
PLAIN_LINE_SECONDS = 10.0


class Display(Protocol):
    """Shows the metrics of each step and now and then a line."""

    def say(self, line: str) -> None:
        """Print a line for a person."""

    def show(self, step: int, metrics: Metrics) -> None:
        """Show the metrics of a finished step."""

    def close(self) -> None:
        """The run is over."""


def describe(metrics: Metrics) -> str:
    """``accuracy 0.43  reward 0.43  length 37.4  entropy 0.31``, behind the collapse if one is going on."""
    known = {label: metrics.get(name) for name, label in SHOWN.items()}
    parts = [f"{label} {value:.3g}" for label, value in known.items() if value is not None]
    return "  ".join(_collapse(metrics) + parts)


def _collapse(metrics: Metrics) -> list[str]:
    """``collapse since step 9 (process term)``; first, since a narrow terminal cuts the end off."""
    began = metrics.get("watch/collapse_began")
    if began is None:
        return []
    labels = [cause.label for name, cause in CAUSES.items() if metrics.get(f"watch/collapse/{name}") == began]
    return [f"collapse since step {began:.0f} ({', '.join(labels)})"]


class BarDisplay:
    """A progress bar, for a terminal."""

    def __init__(self, steps: int, unit: str = "step") -> None:
        columns = (
            TextColumn(unit), MofNCompleteColumn(), BarColumn(bar_width=20), TextColumn("{task.description}"),
            TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        self.bar = Progress(*columns, console=Console(stderr=True))
        self.task = self.bar.add_task("", total=steps)
        self.bar.start()

    def say(self, line: str) -> None:
        """See ``Display``."""
        self.bar.console.print(line, markup=False, highlight=False)

    def show(self, step: int, metrics: Metrics) -> None:
        """See ``Display``."""
        self.bar.update(self.task, completed=step, description=describe(metrics))

    def close(self) -> None:
        """See ``Display``."""
        self.bar.stop()


class LineDisplay:
    """A line every few seconds, for a log file."""

    def __init__(self, steps: int, unit: str = "step") -> None:
        self.steps, self.unit = steps, unit
        self.last_line = 0.0

    def say(self, line: str) -> None:
        """See ``Display``."""
        print(line, file=sys.stderr, flush=True)

    def show(self, step: int, metrics: Metrics) -> None:
        """See ``Display``."""
        now = time.monotonic()
        if now - self.last_line >= PLAIN_LINE_SECONDS or step == self.steps:
            self.last_line = now
            self.say(f"{self.unit} {step}/{self.steps}  {describe(metrics)}")

    def close(self) -> None:
        """See ``Display``."""


def open_display(steps: int, unit: str = "step") -> Display:
    """A bar on a terminal, lines elsewhere; ``unit`` is what is counted."""
    return BarDisplay(steps, unit) if sys.stderr.isatty() else LineDisplay(steps, unit)
