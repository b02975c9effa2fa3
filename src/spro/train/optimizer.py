"""AdamW on float32 weights, whatever the model's own type."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import Parameter

from spro.config import OptimizerConfig
from spro.train.schedule import Schedule

State = dict[str, Tensor]
"""Named tensors that a checkpoint keeps."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one optimizer step.

    Attributes:
        grad_norm: [], before it was clipped.
        skipped: [], 1 if loss or gradient was not finite, so that nothing was changed; else 0.
    """

    grad_norm: Tensor
    skipped: Tensor


class Optimizer:
    """AdamW with a schedule and a clip on the norm of the gradient, for the named weights of one model.

    In half precision an update of 1e-6 is less than half a unit in the last place, and the weights would never move.
    There each weight has a copy in float32: gradients are added up in it, AdamW moves it, and the model's own weight is
    its rounding. A weight in float32 is its own copy.

    Args:
        weights: named parameters, each once.
        section: learning rate, weight decay, clip.
        schedule: share of the learning rate at each step.
        commit: called before anything changes; what was done to here can then no longer be abandoned.
        per_step: optimizer steps that are planned in a training step.
    """

    def __init__(
        self,
        weights: Sequence[tuple[str, Parameter]],
        section: OptimizerConfig,
        schedule: Schedule,
        commit: Callable[[], None] = lambda: None,
        per_step: int = 1,
    ) -> None:
        self.weights = dict(weights)
        self.masters = {name: _master(weight) for name, weight in self.weights.items()}
        self.max_grad_norm = section.max_grad_norm
        self.commit = commit
        self.per_step = per_step
        # The loop over tensors that AdamW takes on a GPU by itself makes a copy of all of them at its peak.
        self.is_fused = all(master.device.type == "cuda" for master in self.masters.values())
        self.adamw = torch.optim.AdamW(
            self.masters.values(),
            lr=section.learning_rate,
            weight_decay=section.weight_decay,
            fused=self.is_fused or None,
        )
        self.full_rate = section.learning_rate
        self.schedule = schedule
        self.taken = 0

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return self.full_rate * self.schedule(self.taken)

    def step(self, loss: Tensor) -> Applied:
        """Move the weights along the gradients that were added up, and forget these.

        Args:
            loss: [], of which they are the gradient; read only to see whether it is finite.
        """
        grad_norm = torch.nn.utils.clip_grad_norm_(self.masters.values(), self.max_grad_norm)
        is_finite = bool((grad_norm + loss).isfinite())
        # Also before a skipped step, which is one of the schedule.
        self.commit()
        if is_finite:
            self.adamw.param_groups[0]["lr"] = self.learning_rate
            self.adamw.step()
            self._round()
        self.forget()
        # A skipped step is a step of the schedule: the rate belongs to the place in the run.
        self.taken += 1
        return Applied(grad_norm, torch.tensor(float(not is_finite), device=grad_norm.device))

    def follow(self, step: int) -> None:
        """Training ``step`` (from 1) is over: the rate is that of its place in the run, however few steps it took."""
        self.taken = step * self.per_step

    def forget(self) -> None:
        """Drop the gradients that were added up."""
        self.adamw.zero_grad()

    @torch.no_grad()
    def _round(self) -> None:
        for name, weight in self.weights.items():
            if self.masters[name] is not weight:
                weight.copy_(self.masters[name])

    def state(self) -> State:
        """Moments, steps, and the float32 copies where there are any, by weight and kind; no weight of the model."""
        kinds = {
            f"{kind}/{name}": tensor
            for name, master in self.masters.items()
            for kind, tensor in self.adamw.state[master].items()
        }
        copies = {f"master/{name}": m.detach() for name, m in self.masters.items() if m is not self.weights[name]}
        return {**kinds, **copies, TAKEN: torch.tensor(self.taken)}

    @torch.no_grad()
    def load(self, state: State) -> None:
        """Go on from a ``state``; weights of half precision become the rounding of their copies."""
        for name, master in self.masters.items():
            if master is not self.weights[name]:
                master.copy_(state[f"master/{name}"])
            # A weight that never had a gradient has none of them.
            if any(f"{kind}/{name}" in state for kind in MOMENTS):
                self.adamw.state[master] = {
                    kind: state[f"{kind}/{name}"].to(self._home(kind, master), copy=True) for kind in MOMENTS
                }
        self._round()
        self.taken = int(state[TAKEN])

    def _home(self, kind: str, master: Tensor) -> torch.device:
        """Where AdamW keeps a moment: its counter of steps on the host, unless it is fused."""
        return master.device if self.is_fused or kind != "step" else torch.device("cpu")

    def whole_state(self) -> State:
        """``state`` and the weights themselves, of a model that no folder keeps."""
        return {**self.state(), **{f"weight/{name}": weight.detach() for name, weight in self.weights.items()}}

    @torch.no_grad()
    def load_whole(self, state: State) -> None:
        """Go on from a ``whole_state``."""
        for name, weight in self.weights.items():
            weight.copy_(state[f"weight/{name}"])
        self.load(state)


TAKEN = "taken"
"""Where a state keeps the number of steps."""
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of a weight."""


def _master(weight: Parameter) -> Tensor:
    """The weight itself; of one in half precision a copy that gathers its gradients."""
    if torch.finfo(weight.dtype).bits >= 32:
        return weight
    master = weight.detach().float().requires_grad_()
    weight.register_post_accumulate_grad_hook(partial(_gather, master))  # type: ignore[no-untyped-call]
    return master


@torch.no_grad()
def _gather(master: Tensor, weight: Tensor) -> None:
    """Add the gradient of one micro-batch to the copy's, in float32, and free it."""
    assert weight.grad is not None
    gradient = weight.grad.float()
    master.grad = gradient if master.grad is None else master.grad.add_(gradient)
    weight.grad = None
