"""The learning rate at each optimizer step, as a share of the one that is set."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """A hold at zero, a linear rise, and then a constant or half a cosine that ends at 0.

    The rise starts at 1 / warmup_steps, not at 0, which would waste the first rollouts.

    Attributes:
        steps: optimizer steps that are planned.
        warmup_steps: of these, the ones in which the rate rises.
        decay: ``cosine`` or ``constant``.
        hold_steps: of these, the first ones, at rate 0.
    """

    steps: int
    warmup_steps: int = 0
    decay: str = "cosine"
    hold_steps: int = 0

    def __call__(self, step: int) -> float:
        """The share at an optimizer step (from 0)."""
        if step < self.hold_steps:
            return 0.0
        if step < self.hold_steps + self.warmup_steps:
            return (step - self.hold_steps + 1) / self.warmup_steps
        return DECAYS[self.decay](self._progress(step))

    def _progress(self, step: int) -> float:
        """0 where the rise has ended, 1 behind the last planned step."""
        begun = self.hold_steps + self.warmup_steps
        return min((step - begun) / max(self.steps - begun, 1), 1.0)


DECAYS = {
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "constant": lambda progress: 1.0,
}
