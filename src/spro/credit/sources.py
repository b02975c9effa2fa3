"""Sources: where a token's reward comes from. Axis legend: B responses, T positions, S steps."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def log_ratio(
    log_probs: Float[Tensor, "B T"], ref_log_probs: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """Log pi(a_t|s_t) - log pi_ref(a_t|s_t) in nats, detached, 0 off the mask (SPRO Eq. 8 without beta)."""
    return (log_probs - ref_log_probs).detach().masked_fill_(~mask, 0.0)


def last_token(mask: Bool[Tensor, "B T"]) -> Int[Tensor, " B"]:
    """Position of the last token that the policy wrote; T - 1, off the mask, in an empty response."""
    return mask.shape[1] - 1 - mask.flip(1).to(torch.uint8).argmax(dim=1)


def at_last_token(rewards: Float[Tensor, " B"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """A reward that is paid when the response ends; nowhere in an empty response."""
    paid = rewards * mask.any(dim=1)
    return torch.zeros_like(mask, dtype=rewards.dtype).scatter_(1, last_token(mask)[:, None], paid[:, None])


def without_last_token(rewards: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """The rewards, with 0 at the last token that the policy wrote."""
    return rewards.scatter(1, last_token(mask)[:, None], 0.0)


def step_slots(
    step_ids: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> tuple[Bool[Tensor, "B T"], Int[Tensor, "B T"]]:
    """Which tokens belong to a step, and to which; slot 0 where to none, for whoever indexes with it."""
    in_step = mask & (step_ids >= 0)
    return in_step, step_ids.masked_fill(~in_step, 0)


def step_end(
    step_ids: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"], step_mask: Bool[Tensor, "B S"]
) -> Int[Tensor, "B S"]:
    """Position of the last token of each step; -1 of a step without one."""
    in_step, slots = step_slots(step_ids, mask)
    positions = torch.arange(mask.shape[1], device=mask.device).expand_as(step_ids).masked_fill(~in_step, -1)
    nowhere = torch.full_like(step_mask, -1, dtype=positions.dtype)
    return nowhere.scatter_reduce(1, slots, positions, "amax").masked_fill(~step_mask, -1)


def at_step_ends(
    step_rewards: Float[Tensor, "B S"],
    step_mask: Bool[Tensor, "B S"],
    step_ids: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
) -> Float[Tensor, "B T"]:
    """Rewards that are paid at the last token of each step; a step without a token pays nothing."""
    end = step_end(step_ids, mask, step_mask)
    paid = step_rewards.masked_fill(end < 0, 0.0)
    return torch.zeros_like(mask, dtype=paid.dtype).scatter_add(1, end.clamp(min=0), paid)


def tokens_a_step(
    step_ids: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"], step_mask: Bool[Tensor, "B S"]
) -> Int[Tensor, "B S"]:
    """Number of tokens of each step."""
    in_step, slots = step_slots(step_ids, mask)
    return torch.zeros_like(step_mask, dtype=torch.long).scatter_add(1, slots, in_step.long())


def sums_of_steps(
    values: Float[Tensor, "B T"], step_ids: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> tuple[Float[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Sum over the tokens of each step, and whether a response has that step; there are at most T steps."""
    in_step, slots = step_slots(step_ids, mask)
    sums = torch.zeros_like(values).scatter_add(1, slots, values.masked_fill(~in_step, 0.0))
    has_step = torch.zeros_like(slots).scatter_add(1, slots, in_step.to(slots.dtype)) > 0
    return sums, has_step


def tokens_of_steps(
    step_values: Float[Tensor, "B S"], step_ids: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """The value of a token's step at each token; 0 at tokens of no step and off the mask."""
    in_step, slots = step_slots(step_ids, mask)
    return step_values.gather(1, slots).masked_fill(~in_step, 0.0)
