"""Random ragged batches as verl takes them, in float64."""

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from spro.credit import TokenBatch

TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}
any_reward = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0, width=32))
quarters = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@dataclass(frozen=True, eq=False)
class Ragged:
    """One batch in the words of both sides.

    Attributes:
        ours: the batch.
        token_level_rewards: the outcome at the last token that the policy wrote.
        response_mask: 1 on tokens that the policy wrote; int64, as verl has it.
        index: the group of each response.
    """

    ours: TokenBatch
    token_level_rewards: Tensor
    response_mask: Tensor
    index: np.ndarray


def ragged(ours: TokenBatch) -> Ragged:
    mask = ours.response_mask
    paid = torch.zeros(mask.shape, dtype=torch.float64)
    for row, written in enumerate(mask):
        paid[row, written.nonzero().max()] = ours.outcome_rewards[row]
    index = np.array([f"prompt-{group}" for group in ours.group_ids.tolist()], dtype=object)
    return Ragged(ours, paid, mask.long(), index)


@st.composite
def batches(draw: st.DrawFn, tool_tokens: bool = False, rewards: st.SearchStrategy[float] = any_reward) -> Ragged:
    """Groups of at least two in mixed order; masks without holes, unless there are to be tool tokens."""
    sizes = draw(st.lists(st.integers(2, 4), min_size=1, max_size=3))
    labels = draw(st.permutations([label for label, size in enumerate(sizes) for _ in range(size)]))
    rows, width = len(labels), draw(st.integers(2, 7))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    lengths = torch.tensor(draw(st.lists(st.integers(1, width), min_size=rows, max_size=rows)))
    mask = torch.arange(width) < lengths[:, None]
    if tool_tokens:
        holes = torch.rand(mask.shape, generator=generator) < 0.3
        holes[:, 0] = False
        mask = mask & ~holes

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    outcome_rewards = draw(st.lists(rewards, min_size=rows, max_size=rows))
    return ragged(
        TokenBatch(
            response_mask=mask,
            group_ids=torch.tensor(labels),
            outcome_rewards=torch.tensor(outcome_rewards, dtype=torch.float64),
            old_log_probs=-3 * uniform(rows, width),
            ref_log_probs=-3 * uniform(rows, width),
            values=uniform(rows, width),
            greedy_rewards=uniform(rows),
        )
    )


def batch_of(rewards: list[float], groups: list[int], mask: list[list[int]]) -> Ragged:
    """A batch written down by hand."""
    return ragged(
        TokenBatch(
            response_mask=torch.tensor(mask, dtype=torch.bool),
            group_ids=torch.tensor(groups),
            outcome_rewards=torch.tensor(rewards, dtype=torch.float64),
        )
    )
