"""From graded groups to the tensors that credit and loss read.

Axis legend: B responses, T response positions, S steps of a response.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from spro.credit import TokenBatch
from spro.models import Sequences
from spro.train.group import Group


@dataclass(frozen=True)
class Experience:
    """What one step learns from; rows are ordered by group.

    Attributes:
        sequences: token ids of prompts and responses.
        batch: the same responses as tensors, with what the method needs.
        rollout_log_probs: float32 [B, T], nats, by the engine that sampled; 0 off the responses.
        scores: float32 [B], what the verifier said, without what the reward adds to it.
        group_starts: first row of each group, and behind them B; mini-batches are cut here and nowhere else.
    """

    sequences: Sequences
    batch: TokenBatch
    rollout_log_probs: Tensor
    scores: Tensor
    group_starts: tuple[int, ...]

    def with_tensor(self, name: str, tensor: Tensor) -> "Experience":
        """The same with one of the optional tensors of ``TokenBatch``."""
        return replace(self, batch=replace(self.batch, **{name: tensor}))


def _token_ids(groups: Sequence[Group]) -> Tensor:
    """Int [B, T]; 0 off the responses."""
    return _rectangle([response.token_ids for group in groups for response in group.responses], 0)


def _step_ids(groups: Sequence[Group]) -> Tensor:
    """Int [B, T]; -1 off the responses."""
    return _rectangle([row for group in groups for row in group.step_ids or ()], -1)


def _greedy_rewards(groups: Sequence[Group]) -> Tensor:
    """Float [B]; the same for all members of a group."""
    return torch.tensor([group.greedy_reward for group in groups for _ in group.responses])


def _step_values(groups: Sequence[Group]) -> Tensor:
    """Float [B, S]; 0 at steps that a response does not have."""
    return _rectangle([row for group in groups for row in group.step_values or ()], 0.0)


def _step_mask(groups: Sequence[Group]) -> Tensor:
    """Bool [B, S]; True on steps that exist."""
    return _rectangle([(True,) * len(row) for group in groups for row in group.step_values or ()], False)


def _rectangle(rows: Sequence[Sequence[float]], padding: float) -> Tensor:
    """Rows of different lengths as one tensor."""
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=padding)


GROUP_TENSORS: dict[str, Callable[[Sequence[Group]], Tensor]] = {
    "token_ids": _token_ids,
    "step_ids": _step_ids,
    "greedy_rewards": _greedy_rewards,
    "step_values": _step_values,
    "step_mask": _step_mask,
}
"""What makes each optional tensor of ``TokenBatch`` that the groups hold already, be it by ``spro.train.prepare``."""


def gather_experience(
    groups: Sequence[Group], needs: frozenset[str], pad_token_id: int, device: torch.device
) -> Experience:
    """What the groups hold already, as tensors on the device.

    Args:
        groups: each with at least one response, every one graded.
        needs: optional tensors of ``TokenBatch``; those that are not of ``GROUP_TENSORS`` are left to the models.
        pad_token_id: fills the rectangle of token ids.
        device: of the tensors.
    """
    rows = [(index, group, i) for index, group in enumerate(groups) for i in range(len(group.responses))]
    responses = [group.responses[i] for _, group, i in rows]
    sequences = Sequences(
        prompts=tuple(group.prompt.token_ids for _, group, _ in rows),
        responses=tuple(response.token_ids for response in responses),
        pad_token_id=pad_token_id,
        masks=tuple(response.written for response in responses),
    )
    batch = TokenBatch(
        response_mask=sequences.response_mask(device),
        group_ids=torch.tensor([index for index, _, _ in rows], device=device),
        outcome_rewards=torch.tensor([group.rewards[i] for _, group, i in rows], device=device),
        **{name: make(groups).to(device) for name, make in GROUP_TENSORS.items() if name in needs},
    )
    rollout_log_probs = _rectangle([response.rollout_log_probs for response in responses], 0.0).to(device)
    scores = torch.tensor([group.scores[i] for _, group, i in rows], device=device)
    starts = (0, *accumulate(len(group.responses) for group in groups))
    return Experience(sequences, batch, rollout_log_probs, scores, starts)
