"""How much memory the run holds: what leaks shows here hours before it kills the run."""

import resource
from dataclasses import dataclass
from pathlib import Path

import torch

from spro.train.metrics import Metrics

SETTLED = 10
"""Steps behind which caches are filled and pools are up."""
GROWTH = 1.5
"""Share of the settled size that is worth a line."""
MIB = 2**20


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the host or of a device is full; torch says of the host's so in words alone."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def host_bytes() -> int:
    """Resident memory of this process, without its workers; the peak so far where the system tells no more."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass(slots=True)
class MemoryGauge:
    """Reads the memory behind each step, and says once that it grows.

    Attributes:
        device: of the policy.
        settled: bytes of the host behind the first ``SETTLED`` steps of this process.
        steps: read so far.
        has_told: whether it was said.
    """

    device: torch.device
    settled: int = 0
    steps: int = 0
    has_told: bool = False

    def read(self) -> tuple[Metrics, str]:
        """Metrics under ``memory/``, and a line for a person or nothing."""
        now = host_bytes()
        self.steps += 1
        if self.steps <= SETTLED:
            self.settled = max(self.settled, now)
        metrics: Metrics = {"memory/host_mib": now / MIB}
        if self.device.type == "cuda":
            metrics["memory/device_peak_mib"] = torch.cuda.max_memory_allocated(self.device) / MIB
            torch.cuda.reset_peak_memory_stats(self.device)
        return metrics, self._tell(now)

    def _tell(self, now: int) -> str:
        if self.has_told or now <= GROWTH * self.settled:
            return ""
        self.has_told = True
        return (
            f"memory grew from {self.settled / MIB:.0f} to {now / MIB:.0f} MiB since step {SETTLED} of this process; "
            "if it goes on, restart with --resume, which loses nothing"
        )
