"""From graded groups to the tensors that credit and loss read.

Axis legend: B responses, T response positions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from spro.credit import TokenBatch
from spro.errors import ConfigError
from spro.models import Sequences, frozen_copy, response_log_probs
from spro.train.group import Group


@dataclass(frozen=True)
class Experience:
    """What one step learns from; rows are ordered by group.

    Attributes:
        sequences: token ids of prompts and responses.
        batch: the same responses as tensors, with what the method needs.
        group_starts: first row of each group, and behind them B; mini-batches are cut here and nowhere else.
    """

    sequences: Sequences
    batch: TokenBatch
    group_starts: tuple[int, ...]


def _live(model: PreTrainedModel) -> PreTrainedModel:
    return model


SCORING_MODELS: dict[str, Callable[[PreTrainedModel], PreTrainedModel]] = {
    "old_log_probs": _live,
    "ref_log_probs": frozen_copy,
}
"""The model behind each optional tensor of ``TokenBatch``, made from the initial policy; ``needs`` chooses."""


class Scorer:
    """Makes the tensors that a method needs, and holds the models that this takes; none other is ever loaded.

    Args:
        policy: the live policy, before its first update.
        needs: names of the tensors; the old log-probs are made in any case, the surrogate reads them.
        temperature: of sampling.
        micro_batch_size: responses a forward.

    Raises:
        ConfigError: a tensor is needed that nothing here makes.
    """

    def __init__(
        self, policy: PreTrainedModel, needs: frozenset[str], temperature: float, micro_batch_size: int
    ) -> None:
        unknown = sorted(needs - SCORING_MODELS.keys())
        if unknown:
            raise ConfigError(f"the credit method needs {unknown[0]}, which this trainer cannot make yet")
        self.models = {name: SCORING_MODELS[name](policy) for name in sorted(needs | {"old_log_probs"})}
        self.temperature = temperature
        self.micro_batch_size = micro_batch_size
        self.device = policy.device

    def score(self, groups: Sequence[Group], pad_token_id: int) -> Experience:
        """Score the responses of the groups, of which each has at least one and every one is graded."""
        rows = [(index, group, i) for index, group in enumerate(groups) for i in range(len(group.responses))]
        sequences = Sequences(
            prompts=tuple(group.prompt.token_ids for _, group, _ in rows),
            responses=tuple(group.responses[i].token_ids for _, group, i in rows),
            pad_token_id=pad_token_id,
        )
        tensors = {
            name: response_log_probs(model, sequences, self.temperature, self.micro_batch_size)
            for name, model in self.models.items()
        }
        batch = TokenBatch(
            response_mask=sequences.response_mask(self.device),
            group_ids=torch.tensor([index for index, _, _ in rows], device=self.device),
            outcome_rewards=torch.tensor([score for group in groups for score in group.scores], device=self.device),
            **tensors,
        )
        starts = [0]
        for group in groups:
            starts.append(starts[-1] + len(group.responses))
        return Experience(sequences, batch, tuple(starts))
