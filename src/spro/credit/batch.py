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
        token_ids: what was written. Values off the mask are never read, here and in all tensors below.
        old_log_probs: log pi_old(a_t | s_t) in nats, by the training engine.
        ref_log_probs: the same under the reference.
        prm_log_probs: the same under the implicit process reward model (PRIME).
        values: a critic's V(s_t) (PPO).
        greedy_rewards: score of the greedy response to the same prompt (ReMax).
        step_ids: step of each token, from 0, rising along the response; -1 outside of any step.
        step_rewards: one reward a step, by a process reward model.
        step_values: Monte-Carlo value of the state in which each step begins (VinePPO).
        step_mask: True on steps that exist, each with at least one token; goes with ``step_rewards`` and
            ``step_values``.

    Raises:
        BatchError: a tensor has the wrong type, two of them disagree on B, T or S, or (on the CPU, where it costs
            nothing to look) a reward is not finite or a step has no slot; the message names it.
    """

    response_mask: Bool[Tensor, "B T"]
    group_ids: Int[Tensor, " B"]
    outcome_rewards: Float[Tensor, " B"]
    token_ids: Int[Tensor, "B T"] | None = None
    old_log_probs: Float[Tensor, "B T"] | None = None
    ref_log_probs: Float[Tensor, "B T"] | None = None
    prm_log_probs: Float[Tensor, "B T"] | None = None
    values: Float[Tensor, "B T"] | None = None
    greedy_rewards: Float[Tensor, " B"] | None = None
    step_ids: Int[Tensor, "B T"] | None = None
    step_rewards: Float[Tensor, "B S"] | None = None
    step_values: Float[Tensor, "B S"] | None = None
    step_mask: Bool[Tensor, "B S"] | None = None

    def __post_init__(self) -> None:
        self._check_types()
        self._check_shapes()
        # What lies on another device is not looked at: to wait for it would cost more than the credit.
        if self.response_mask.device.type == "cpu":
            self._check_values()

    def _check_types(self) -> None:
        for field in fields(self):
            tensor, allowed = getattr(self, field.name), _DTYPES.get(field.name, _FLOATS)
            if tensor is None and field.default is None:
                continue
            if not isinstance(tensor, Tensor):
                raise BatchError(f"{field.name} must be a tensor, got a {type(tensor).__name__}")
            if tensor.dtype not in allowed:
                names = " or ".join(map(_name_of, allowed))
                raise BatchError(f"{field.name} must be {names}, got {_name_of(tensor.dtype)}: cast it")

    def _check_shapes(self) -> None:
        if self.response_mask.dim() != 2 or not self.response_mask.numel():
            raise BatchError(
                "response_mask must be [B, T] with at least one response and one position, "
                f"got {list(self.response_mask.shape)}"
            )
        rows, width = self.shape
        of_steps = [tensor for tensor in (self.step_rewards, self.step_values) if tensor is not None]
        expected: dict[str, tuple[int, ...]] = dict.fromkeys((f.name for f in fields(self)), (rows, width))
        expected |= dict.fromkeys(_RESPONSE_TENSORS, (rows,))
        expected |= dict.fromkeys(_STEP_TENSORS, (rows, of_steps[0].shape[-1] if of_steps else 0))
        for field in fields(self):
            tensor = getattr(self, field.name)
            if tensor is not None and tuple(tensor.shape) != expected[field.name]:
                raise BatchError(
                    f"{field.name} has the shape {list(tensor.shape)}, expected {list(expected[field.name])} "
                    f"beside response_mask {[rows, width]}"
                )
        if bool(of_steps) != (self.step_mask is not None):
            raise BatchError("step_rewards or step_values and step_mask go together; one of them is missing")

    def _check_values(self) -> None:
        for name in ("outcome_rewards", "greedy_rewards"):
            tensor = getattr(self, name)
            if tensor is not None and not tensor.isfinite().all():
                row = int(tensor.isfinite().int().argmin())
                raise BatchError(f"{name}[{row}] is {float(tensor[row])}; drop what could not be scored")
        if self.step_ids is not None:
            slots = self.shape[1] if self.step_mask is None else self.step_mask.shape[1]
            last = int(self.step_ids.masked_fill(~self.response_mask, -1).max())
            if last >= slots:
                raise BatchError(f"step_ids go up to {last}, and there are {slots} step slots; they count from 0")

    def select(self, rows: Int[Tensor, " b"], width: int) -> "TokenBatch":
        """Some rows, cut to the first ``width`` positions, behind which they must have none."""
        chosen = {
            field.name: getattr(self, field.name).index_select(0, rows)
            for field in fields(self)
            if getattr(self, field.name) is not None
        }
        of_tokens = chosen.keys() - {*_RESPONSE_TENSORS, *_STEP_TENSORS}
        return TokenBatch(**{name: t[:, :width] if name in of_tokens else t for name, t in chosen.items()})

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


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


_FLOATS = (torch.float32, torch.float64)
"""Not of half precision: its log-probs lose what credit is made of."""
_INTEGERS = (torch.int64, torch.int32)
_DTYPES = {
    "response_mask": (torch.bool,),
    "step_mask": (torch.bool,),
    "group_ids": _INTEGERS,
    "token_ids": _INTEGERS,
    "step_ids": _INTEGERS,
}
_RESPONSE_TENSORS = ("group_ids", "outcome_rewards", "greedy_rewards")
_STEP_TENSORS = ("step_rewards", "step_values", "step_mask")
