"""The critic of PPO: V(s_t), learnt from the returns.

Axis legend: B responses of the step, b of a micro-batch, T response positions, D width of a state, N written tokens.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from spro.config import CriticConfig
from spro.credit import TokenBatch
from spro.loss import explained_variance, is_value_clipped, token_mean, value_loss, weighted_sum
from spro.models import Sequences, pack, response_states, to_rectangle
from spro.train.compute import ModelCost, read
from spro.train.experience import Experience
from spro.train.optimizer import Applied, Optimizer
from spro.train.passes import Rows, SavingMemory, mini_batches, optimizer_step
from spro.train.source import LearningSource, Scoring, Stats, optimizer_stats

States = Callable[[Sequences], Tensor]
"""Last hidden states [N, D] from which the written tokens are predicted, with gradient where they are to learn."""
Returns = Callable[[TokenBatch], Tensor]
"""What the values should have been, [B, T]."""


def own_states(model: PreTrainedModel, saving_memory: SavingMemory) -> States:
    """Of a model that learns with the head."""

    def states(sequences: Sequences) -> Tensor:
        with saving_memory(model):
            return response_states(model, sequences)

    return states


def shared_states(policy: PreTrainedModel) -> States:
    """Of the policy, which the critic does not move."""
    return torch.no_grad()(lambda sequences: response_states(policy, sequences))


def value_head(model: PreTrainedModel) -> nn.Linear:
    """A value of each state, in float32; 0 until it has learnt, so that the first advantages are the returns."""
    head = nn.Linear(model.get_output_embeddings().weight.shape[1], 1, device=model.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


class Critic(LearningSource):
    """Values of the states in which the policy wrote its tokens.

    Args:
        states: below the head.
        head: see ``value_head``.
        returns: targets, from a batch with values.
        section: how it learns.
        optimizer: of the head, and of what is below it if that learns.
        scoring: how many tokens a forward may have, and what stops it.
        cost: of what is below the head.
    """

    tensor: ClassVar[str] = "values"

    def __init__(
        self,
        states: States,
        head: nn.Linear,
        returns: Returns,
        section: CriticConfig,
        optimizer: Optimizer,
        scoring: Scoring,
        cost: ModelCost,
    ) -> None:
        self.states = states
        self.head = head
        self.returns = returns
        self.section = section
        self.optimizer = optimizer
        self.scoring = scoring
        self.cost = cost

    @torch.no_grad()
    def score(self, experience: Experience) -> tuple[Tensor, Stats]:
        """The values, 0 off the responses."""
        values = torch.zeros_like(experience.rollout_log_probs)
        rows = range(len(experience.sequences))
        for part in self._parts(experience, rows):
            self.scoring.check()
            sequences = experience.sequences.select(part)
            values[list(part), : sequences.response_width] = self._values(sequences)
        return values, {}

    def flos(self, experience: Experience) -> int:
        """See ``Source``; nothing goes backward below a head alone."""
        work = read(experience.sequences)
        learning = self.cost.training(work) if self.section.trunk == "own" else self.cost.forward(work)
        return self.cost.forward(work) + self.section.update_epochs * learning

    def learn(self, experience: Experience) -> Stats:
        """Take the optimizer steps towards the returns."""
        batch = experience.batch
        returns, old_values = self.returns(batch), batch.require("values", "critic")
        totals: list[Tensor] = []
        applied: list[Applied] = []
        for _ in range(self.section.update_epochs):
            for first, last in mini_batches(len(experience.group_starts) - 1, self.section.mini_batches):
                rows = range(experience.group_starts[first], experience.group_starts[last])
                weights = token_mean(batch.response_mask[rows.start : rows.stop], batch.shape[1])
                learn = partial(self._micro_batch, experience, old_values, returns, weights, rows.start)
                total, step = optimizer_step(self.optimizer, self._parts(experience, rows), learn, self.scoring.check)
                totals.append(total)
                applied.append(step)
        loss, clip_fraction = torch.stack(totals).mean(dim=0)
        return {
            "critic/loss": loss,
            "critic/clip_fraction": clip_fraction,
            "critic/explained_variance": explained_variance(old_values, returns, batch.response_mask),
            **optimizer_stats("critic", applied),
        }

    def _micro_batch(
        self, experience: Experience, old_values: Tensor, returns: Tensor, weights: Tensor, start: int, part: Rows
    ) -> Tensor:
        """Add the gradient of some rows; their share of loss and clip fraction, [2], detached.

        ``weights`` are of the mini-batch, whose first row is ``start``.
        """
        sequences = experience.sequences.select(part)
        rows, width = torch.tensor(part, device=weights.device), sequences.response_width
        values, weights = self._values(sequences), weights[rows - start, :width]
        old_values, returns = old_values[rows, :width], returns[rows, :width]
        clip = self.section.value_clip
        loss = weighted_sum(value_loss(values, old_values, returns, clip), weights)
        loss.backward()  # type: ignore[no-untyped-call]
        clipped = is_value_clipped(values, old_values, returns, clip).float()
        return torch.stack([loss, weighted_sum(clipped, weights)]).detach()

    def _values(self, sequences: Sequences) -> Tensor:
        """[b, T]."""
        flat = self.head(self.states(sequences).float()).squeeze(-1)
        return to_rectangle(flat, sequences.response_mask(self.head.weight.device))

    def _parts(self, experience: Experience, rows: range) -> list[Rows]:
        return pack([(row,) for row in rows], experience.sequences.lengths, self.scoring.max_tokens)
