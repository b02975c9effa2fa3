"""The policy update: Algorithm 1, lines 11 to 13.

Axis legend: B responses of the step, b of a mini-batch, T response positions.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.config import Config
from spro.errors import TrainingError
from spro.loss import (
    KL_ESTIMATORS,
    REDUCTIONS,
    Surrogate,
    entropy_bonus,
    kl_penalty,
    policy_loss,
    token_mean,
    weighted_sum,
)
from spro.models import score_responses
from spro.train.experience import Experience


@dataclass(frozen=True)
class UpdateStats:
    """Scalars on the device, each the mean over the optimizer steps of one training step.

    Attributes:
        loss: with the entropy bonus and the KL penalty.
        entropy: nats a token, of the policy before each optimizer step.
        clip_fraction: share of the tokens at which a clip of the surrogate decided.
        grad_norm: before it is clipped.
    """

    loss: Tensor
    entropy: Tensor
    clip_fraction: Tensor
    grad_norm: Tensor


class Updater:
    """AdamW with cosine decay on the surrogate; knows advantages and not where they come from.

    Args:
        model: the policy.
        surrogate: what is maximised.
        config: its ``loss`` but for the surrogate, ``optimizer``, ``train`` and, for what was sampled how, ``rollout``.
    """

    def __init__(self, model: PreTrainedModel, surrogate: Surrogate, config: Config) -> None:
        self.model = model
        self.surrogate = surrogate
        self.loss = config.loss
        self.train = config.train
        self.rollout = config.rollout
        self.max_grad_norm = config.optimizer.max_grad_norm
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.optimizer.learning_rate, weight_decay=config.optimizer.weight_decay
        )
        factor = partial(cosine_factor, warmup_steps=config.optimizer.warmup_steps, steps=config.optimizer_steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, factor)

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
        weights = REDUCTIONS[self.loss.loss_reduction](mask, self.rollout.max_response_length)
        token_weights = token_mean(mask, self.rollout.max_response_length)
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
                "the gradient is not finite; the weights are those of before this update. Lower optimizer.learning_rate"
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

        scores = score_responses(self.model, sequences, self.rollout.temperature)
        loss = policy_loss(self.surrogate, scores.log_probs, old_log_probs, advantages, weights)
        loss = loss + entropy_bonus(scores.entropy, token_weights, self.loss.entropy_coef)
        if self.loss.kl_loss_coef > 0:
            ref_log_probs = experience.batch.require("ref_log_probs", "update")[first:last, :width]
            estimator = KL_ESTIMATORS[self.loss.kl_estimator]
            loss = loss + kl_penalty(scores.log_probs, ref_log_probs, weights, estimator, self.loss.kl_loss_coef)
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            clipped = self.surrogate.is_clipped(scores.log_probs, old_log_probs, advantages, weights > 0)
            parts = [loss, weighted_sum(scores.entropy, token_weights), weighted_sum(clipped, token_weights)]
            return torch.stack(parts).detach()


def mini_batches(group_starts: tuple[int, ...], count: int) -> Iterator[tuple[int, int]]:
    """Cut the rows into ``count`` runs of whole groups of nearly equal number; empty runs are left out."""
    groups = len(group_starts) - 1
    cuts = [group_starts[groups * part // count] for part in range(count + 1)]
    yield from ((start, stop) for start, stop in pairwise(cuts) if start < stop)


def cosine_factor(step: int, warmup_steps: int, steps: int) -> float:
    """Share of the learning rate at an optimizer step (from 0): a linear rise, then half a cosine that ends at 0.

    The rise starts at 1 / warmup_steps, not at 0, which would waste the first rollouts.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / (steps - warmup_steps)))
