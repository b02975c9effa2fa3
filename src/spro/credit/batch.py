"""The one thing that every credit method reads.

Axis legend: B responses in the batch, T response positions, S steps of a response.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from spro.errors import BatchError


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """Sampled responses as tensors; frozen, and never added to on the way.

    Example:
        Two responses to one prompt, three and two tokens long, the first one right:

        >>> batch = TokenBatch(
        ...     response_mask=torch.tensor([[True, True, True], [True, True, False]]),
        ...     group_ids=torch.tensor([0, 0]),
        ...     outcome_rewards=torch.tensor([1.0, 0.0]),
        ... )
        >>> batch.shape
        (2, 3)

    Attributes:
        response_mask: True on tokens that the policy wrote; tool and padding tokens are False.
        group_ids: the same prompt has the same number. Any integers; members need not be adjacent.
        outcome_rewards: one finite score a response; unscored responses are dropped before.
        old_log_probs: log pi_old(a_t | s_t) in nats, by the training engine. Values off the mask are never read.
        ref_log_probs: the same under the frozen reference.
        prm_log_probs: the same under the implicit process reward model (PRIME).
        values: a critic's V(s_t) (PPO).
        step_ids: step of each token, -1 outside.
        step_rewards: one reward a step.
        step_mask: True on steps that exist; goes with ``step_rewards``.

    Raises:
        BatchError: two tensors disagree on B, T or S; the message names both.
    """

    response_mask: Bool[Tensor, "B T"]
    group_ids: Int[Tensor, " B"]
    outcome_rewards: Float[Tensor, " B"]
    old_log_probs: Float[Tensor, "B T"] | None = None
    ref_log_probs: Float[Tensor, "B T"] | None = None
    prm_log_probs: Float[Tensor, "B T"] | None = None
    values: Float[Tensor, "B T"] | None = None
    step_ids: Int[Tensor, "B T"] | None = None
    step_rewards: Float[Tensor, "B S"] | None = None
    step_mask: Bool[Tensor, "B S"] | None = None

    def __post_init__(self) -> None:
        if self.response_mask.dim() != 2 or self.response_mask.dtype is not torch.bool:
            raise BatchError(
                "response_mask must be a bool tensor [B, T], "
                f"got {self.response_mask.dtype} {list(self.response_mask.shape)}"
            )
        rows, width = self.shape
        steps = None if self.step_rewards is None else self.step_rewards.shape[-1]
        expected: dict[str, tuple[int, ...]] = dict.fromkeys(_TOKEN_TENSORS, (rows, width))
        expected |= {"group_ids": (rows,), "outcome_rewards": (rows,)}
        expected |= dict.fromkeys(("step_rewards", "step_mask"), (rows, steps or 0))
        for field in fields(self):
            tensor = getattr(self, field.name)
            if tensor is not None and tuple(tensor.shape) != expected[field.name]:
                raise BatchError(
                    f"{field.name} has the shape {list(tensor.shape)}, expected {list(expected[field.name])} "
                    f"beside response_mask {[rows, width]}"
                )
        if (self.step_rewards is None) != (self.step_mask is None):
            raise BatchError("step_rewards and step_mask go together; one of them is missing")

    @property
    def shape(self) -> tuple[int, int]:
        """(B, T)."""
        rows, width = self.response_mask.shape
        return rows, width

    def require(self, name: str, method: str) -> Tensor:
        """The optional tensor ``name``, or an error that names the method that asked for it."""
        tensor = getattr(self, name)
        if not isinstance(tensor, Tensor):
            raise BatchError(f"the credit method {method!r} needs {name}, and this batch has none")
        return tensor


_TOKEN_TENSORS = (
    "response_mask",
    "old_log_probs",
    "ref_log_probs",
    "prm_log_probs",
    "values",
    "step_ids",
)
