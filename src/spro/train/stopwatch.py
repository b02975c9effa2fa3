"""Wall time of the stages of a step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from spro.train.metrics import Metrics


@dataclass(slots=True)
class Stopwatch:
    """Seconds by metric."""

    seconds: Metrics = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a block under ``time/<stage>_s``."""
        start = time.perf_counter()
        yield
        self.seconds[f"time/{stage}_s"] = time.perf_counter() - start
