"""Where a run stands: all of it that is no tensor."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from spro import __version__
from spro.errors import RunFolderError
from spro.train.metrics import Metrics

Evaluations = tuple[tuple[int, Metrics], ...]
"""Step and metrics of each evaluation."""


@dataclass(frozen=True)
class RunState:
    """Behind a step.

    Attributes:
        step: finished; 0 before the first.
        cursor: position in the order of the prompts at which the next step begins.
        tokens: sampled for training so far.
        flos: model FLOPs of training so far.
        skipped_in_a_row: steps at the end of which an update was skipped.
        evaluations: so far; the first is of the policy before training.
        latest: last value of every metric.
        pending: metrics of a step that was trained and is not evaluated and logged yet.
        watch: what the watch remembers.
        initial: fingerprint of the policy before training, from which a frozen reference is made again.
        data: fingerprint of the prompts, to which the position belongs.
    """

    step: int = 0
    cursor: int = 0
    tokens: float = 0.0
    flos: float = 0.0
    skipped_in_a_row: int = 0
    evaluations: Evaluations = ()
    latest: Metrics = field(default_factory=dict)
    pending: Metrics | None = None
    watch: Mapping[str, Any] = field(default_factory=dict)
    initial: str = ""
    data: str = ""

    def evaluated(self, metrics: Metrics) -> "RunState":
        """With one evaluation more."""
        return replace(self, evaluations=(*self.evaluations, (self.step, metrics)), latest=self.latest | metrics)

    def save(self, path: Path) -> None:
        """Write it as JSON; numbers come back to the bit."""
        path.write_text(json.dumps({"spro_version": __version__, **asdict(self)}))

    @staticmethod
    def load(path: Path) -> "RunState":
        """The inverse of ``save``.

        Raises:
            RunFolderError: another version of spro wrote it, and other things into it.
        """
        found = json.loads(path.read_text())
        version = found.pop("spro_version", "an unknown version")
        own = {one.name for one in fields(RunState)}
        if found.keys() != own:
            raise RunFolderError(
                f"{str(path)!r} was written by spro {version}, which keeps {sorted(found.keys() ^ own)[0]!r} otherwise "
                f"than this one, {__version__}; go on with that version"
            )
        evaluations = tuple((int(step), metrics) for step, metrics in found["evaluations"])
        return RunState(**{**found, "evaluations": evaluations})
