"""From graded groups to the tensors that credit and loss read.

Axis legend: B responses, T response positions, S steps of a response.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from spro.credit import TokenBatch
from spro.errors import ConfigError
from spro.models import Sequences, frozen_copy, response_log_probs
from spro.train.group import Group
from spro.train.reference import ReferenceUpdate


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
"""The model behind each optional tensor of ``TokenBatch`` that is log-probs, made from the initial policy."""


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


class Scorer:
    """Makes the tensors that a method needs, and holds the models that this takes; none other is ever loaded.

    Args:
        policy: the live policy, before its first update.
        needs: names of the tensors; the old log-probs are made in any case, the surrogate reads them.
        temperature: of sampling.
        micro_batch_size: responses a forward.
        reference: how the reference follows the policy.

    Raises:
        ConfigError: a tensor is needed that nothing here makes.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        needs: frozenset[str],
        temperature: float,
        micro_batch_size: int,
        reference: ReferenceUpdate,
    ) -> None:
        unknown = sorted(needs - SCORING_MODELS.keys() - GROUP_TENSORS.keys())
        if unknown:
            raise ConfigError(
                f"the credit method needs {unknown[0]}, which this trainer cannot make yet; choose another credit.type "
                "(spro methods says what each needs)"
            )
        self.policy = policy
        wanted = sorted(needs | {"old_log_probs"})
        self.models = {name: SCORING_MODELS[name](policy) for name in wanted if name in SCORING_MODELS}
        self.makers = {name: GROUP_TENSORS[name] for name in wanted if name in GROUP_TENSORS}
        self.temperature = temperature
        self.micro_batch_size = micro_batch_size
        self.reference = reference
        self.device = policy.device

    def score(self, groups: Sequence[Group], pad_token_id: int) -> Experience:
        """Score the responses of the groups, of which each has at least one and every one is graded."""
        rows = [(index, group, i) for index, group in enumerate(groups) for i in range(len(group.responses))]
        sequences = Sequences(
            prompts=tuple(group.prompt.token_ids for _, group, _ in rows),
            responses=tuple(group.responses[i].token_ids for _, group, i in rows),
            pad_token_id=pad_token_id,
        )
        rewards = [group.rewards[i] for _, group, i in rows]
        log_probs = {
            name: response_log_probs(model, sequences, self.temperature, self.micro_batch_size)
            for name, model in self.models.items()
        }
        batch = TokenBatch(
            response_mask=sequences.response_mask(self.device),
            group_ids=torch.tensor([index for index, _, _ in rows], device=self.device),
            outcome_rewards=torch.tensor(rewards, device=self.device),
            **log_probs,
            **{name: make(groups).to(self.device) for name, make in self.makers.items()},
        )
        return Experience(sequences, batch, (0, *accumulate(len(group.responses) for group in groups)))

    def follow(self, step: int) -> None:
        """Let the reference, if one is held, follow the policy behind ``step`` (from 1)."""
        if "ref_log_probs" in self.models:
            self.reference.apply(self.models["ref_log_probs"], self.policy, step)
