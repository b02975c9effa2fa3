"""Where a run stands: all of it that is no tensor."""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
        skipped_in_a_row: steps at the end of which an update was skipped.
        evaluations: so far; the first is of the policy before training.
        latest: last value of every metric.
        pending: metrics of a step that was trained and is not evaluated and logged yet.
        watch: what the watch remembers.
        initial: fingerprint of the policy before training, from which a frozen reference is made again.
    """

    step: int = 0
    cursor: int = 0
    tokens: float = 0.0
    skipped_in_a_row: int = 0
    evaluations: Evaluations = ()
    latest: Metrics = field(default_factory=dict)
    pending: Metrics | None = None
    watch: Mapping[str, Any] = field(default_factory=dict)
    initial: str = ""

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


def seed_generators(seed: int) -> None:
    """Start every generator of this process, so that whoever draws from one draws the same in the next run."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Tensor]:
    """Of every generator of this process. The trainer draws from none of them: each step has seeds of its own."""
    version, internal, gauss = random.getstate()
    _, keys, *rest = np.random.get_state(legacy=True)
    states = {
        "torch": torch.get_rng_state(),
        "python": torch.tensor([version, *internal], dtype=torch.int64),
        "numpy": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
        "numpy_rest": torch.tensor(rest, dtype=torch.float64),
        "python_gauss": torch.tensor([float("nan") if gauss is None else gauss], dtype=torch.float64),
    }
    return states | {f"cuda/{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}


def restore_random_state(states: Mapping[str, Tensor]) -> None:
    """The inverse of ``random_state``, for the devices that are here."""
    torch.set_rng_state(states["torch"])
    version, *internal = states["python"].tolist()
    gauss = float(states["python_gauss"])
    random.setstate((version, tuple(internal), None if gauss != gauss else gauss))
    place, has_gauss, cached = states["numpy_rest"].tolist()
    np.random.set_state(("MT19937", states["numpy"].numpy().astype(np.uint32), int(place), int(has_gauss), cached))
    for i in range(torch.cuda.device_count()):
        if f"cuda/{i}" in states:
            torch.cuda.set_rng_state(states[f"cuda/{i}"], i)
