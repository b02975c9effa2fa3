"""The policy update: Algorithm 1, lines 11 to 13.

Axis legend: B responses of the step, b of a mini-batch, T response positions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedModel, get_cosine_schedule_with_warmup

from spro.config import LossConfig, OptimizerConfig, TrainConfig
from spro.errors import TrainingError
from spro.loss import REDUCTIONS, entropy_bonus, is_clipped, policy_loss, token_mean, weighted_sum
from spro.models import score_responses
from spro.train.experience import Experience


@dataclass(frozen=True)
class UpdateStats:
    """Scalars on the device, each the mean over the optimizer steps of one training step.

    Attributes:
        loss: with the entropy bonus.
        entropy: nats a token, of the policy before each optimizer step.
        clip_fraction: share of the tokens at which the clip decided.
        grad_norm: before it is clipped.
    """

    loss: Tensor
    entropy: Tensor
    clip_fraction: Tensor
    grad_norm: Tensor


class Updater:
    """AdamW with cosine decay on the clipped objective; knows advantages and not where they come from.

    Args:
        model: the policy.
        loss: of the objective.
        optimizer: of AdamW.
        train: steps, epochs and portions; together the length of the cosine.
        temperature: of sampling.
        max_response_length: the constant of length-normed reductions.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        loss: LossConfig,
        optimizer: OptimizerConfig,
        train: TrainConfig,
        temperature: float,
        max_response_length: int,
    ) -> None:
        self.model = model
        self.loss = loss
        self.train = train
        self.max_grad_norm = optimizer.max_grad_norm
        self.temperature = temperature
        self.max_response_length = max_response_length
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=optimizer.learning_rate, weight_decay=optimizer.weight_decay
        )
        self.schedule = get_cosine_schedule_with_warmup(
            self.optimizer, optimizer.warmup_steps, train.steps * train.update_epochs * train.mini_batches
        )

    @property
    def learning_rate(self) -> float:
        """Of the next optimizer step."""
        return float(self.schedule.get_last_lr()[0])

    def update(self, experience: Experience, advantages: Tensor) -> UpdateStats:
        """Take the optimizer steps of one training step.

        Raises:
            TrainingError: loss or gradient is not finite; the weights are those of before this optimizer step.
        """
        stats = [
            self._optimizer_step(experience, advantages, start, stop)
            for _ in range(self.train.update_epochs)
            for start, stop in mini_batches(experience.group_starts, self.train.mini_batches)
        ]
        return UpdateStats(*torch.stack([torch.stack(row) for row in stats]).mean(dim=0))

    def _optimizer_step(
        self, experience: Experience, advantages: Tensor, start: int, stop: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Loss, entropy, clip fraction and gradient norm of one optimizer step on the rows ``start`` to ``stop``."""
        mask = experience.batch.response_mask[start:stop]
        weights = REDUCTIONS[self.loss.loss_reduction](mask, self.max_response_length)
        token_weights = token_mean(mask, self.max_response_length)
        totals = torch.zeros(3, device=mask.device)
        for first in range(start, stop, self.train.micro_batch_size):
            last = min(first + self.train.micro_batch_size, stop)
            rows = slice(first - start, last - start)
            totals += self._micro_batch(experience, advantages, first, last, weights[rows], token_weights[rows])
        try:
            grad_norm = torch.nn.utils.clip_grad_norm_(
                self.model.parameters(), self.max_grad_norm, error_if_nonfinite=True
            )
        except RuntimeError as error:
            self.optimizer.zero_grad()
            raise TrainingError(
                "the gradient is not finite; the weights are untouched. Lower optimizer.learning_rate or use float32"
            ) from error
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        loss, entropy, clip_fraction = totals
        return loss, entropy, clip_fraction, grad_norm

    def _micro_batch(
        self, experience: Experience, advantages: Tensor, first: int, last: int, weights: Tensor, token_weights: Tensor
    ) -> Tensor:
        """Add the gradient of some rows; their share of loss, entropy and clip fraction, [3], detached."""
        sequences = experience.sequences.rows(first, last)
        width = sequences.response_width
        old_log_probs = experience.batch.require("old_log_probs", "update")[first:last, :width]
        advantages = advantages[first:last, :width]
        weights, token_weights = weights[:, :width], token_weights[:, :width]
        low, high = self.loss.clip_ratio_low, self.loss.clip_ratio_high

        scores = score_responses(self.model, sequences, self.temperature)
        loss = policy_loss(scores.log_probs, old_log_probs, advantages, weights, low, high)
        loss = loss + entropy_bonus(scores.entropy, token_weights, self.loss.entropy_coef)
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            clipped = is_clipped(scores.log_probs, old_log_probs, advantages, low, high)
            parts = [loss, weighted_sum(scores.entropy, token_weights), weighted_sum(clipped, token_weights)]
            return torch.stack(parts).detach()


def mini_batches(group_starts: tuple[int, ...], count: int) -> Iterator[tuple[int, int]]:
    """Cut the rows into ``count`` runs of whole groups of nearly equal number; empty runs are left out."""
    groups = len(group_starts) - 1
    cuts = [group_starts[groups * part // count] for part in range(count + 1)]
    yield from ((start, stop) for start, stop in pairwise(cuts) if start < stop)
