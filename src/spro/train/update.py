"""The policy update: Algorithm 1, lines 11 to 13.

Axis legend: B responses of the step, b of a micro-batch, T response positions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.config import Config
from spro.loss import (
    KL_ESTIMATORS,
    REDUCTIONS,
    RolloutCorrection,
    Surrogate,
    entropy_bonus,
    kl_penalty,
    policy_loss,
    token_mean,
    weighted_sum,
)
from spro.models import pack, score_responses
from spro.train.compute import ModelCost, cost_of, read
from spro.train.experience import Experience
from spro.train.lessons import Lessons
from spro.train.optimizer import Optimizer
from spro.train.passes import Rows, SavingMemory, mini_batches, optimizer_step


@dataclass(frozen=True)
class UpdateStats:
    """Scalars on the device, each the mean over the optimizer steps of one training step.

    Attributes:
        loss: with the entropy bonus and the KL penalty.
        entropy: nats a token, of the policy before each optimizer step.
        clip_fraction: share of the tokens at which a clip of the surrogate decided.
        rollout_is_weight: mean weight of a token by truncated importance sampling; 1 where that is off.
        grad_norm: before it is clipped.
        skipped_updates: share of the optimizer steps that were skipped, since loss or gradient was not finite.
    """

    loss: Tensor
    entropy: Tensor
    clip_fraction: Tensor
    rollout_is_weight: Tensor
    grad_norm: Tensor
    skipped_updates: Tensor


@dataclass(frozen=True)
class Portion:
    """Some rows of a step, and what each of their tokens weighs in the whole mini-batch.

    Attributes:
        rows: numbers of the rows.
        weights: float32 [b, T], of the loss.
        token_weights: float32 [b, T], of means over tokens.
    """

    rows: tuple[int, ...]
    weights: Tensor
    token_weights: Tensor


class Updater:
    """Takes the optimizer steps on the surrogate; knows lessons and not where they come from.

    Args:
        model: the policy.
        surrogate: what is maximised.
        correction: for responses that another engine sampled.
        config: its ``loss`` but for the surrogate, ``train`` and, for what was sampled how, ``rollout``.
        optimizer: of the policy's weights.
        saving_memory: around each forward that is trained on.
        check: called before each micro-batch; what it raises ends the update with nothing changed.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        surrogate: Surrogate,
        correction: RolloutCorrection,
        config: Config,
        optimizer: Optimizer,
        saving_memory: SavingMemory,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self.surrogate = surrogate
        self.correction = correction
        self.loss = config.loss
        self.train = config.train
        self.rollout = config.rollout
        self.optimizer = optimizer
        self.saving_memory = saving_memory
        self.check = check

    @property
    def cost(self) -> ModelCost:
        """Of the policy."""
        return cost_of(self.model, self.saving_memory)

    def flos(self, experience: Experience) -> int:
        """Model FLOPs of ``update``."""
        return self.train.update_epochs * self.cost.training(read(experience.sequences))

    def update(self, experience: Experience, lessons: Lessons) -> UpdateStats:
        """Take the optimizer steps of one training step; one whose loss or gradient is not finite is skipped."""
        stats = [
            self._optimizer_step(experience, lessons, first, last)
            for _ in range(self.train.update_epochs)
            for first, last in mini_batches(len(experience.group_starts) - 1, self.train.mini_batches)
        ]
        return UpdateStats(*torch.stack([torch.stack(row) for row in stats]).mean(dim=0))

    def _optimizer_step(self, experience: Experience, lessons: Lessons, first: int, last: int) -> tuple[Tensor, ...]:
        """One optimizer step on the groups ``first`` to ``last``; the fields of ``UpdateStats``."""
        start, stop = experience.group_starts[first], experience.group_starts[last]
        mask = experience.batch.response_mask[start:stop]
        limit = self.rollout.max_response_length
        weights, token_weights = REDUCTIONS[self.loss.loss_reduction](mask, limit), token_mean(mask, limit)

        def micro_batch(rows: Rows) -> Tensor:
            # Each token weighs what it does in the whole mini-batch, however that is cut.
            own = torch.tensor(rows, device=mask.device) - start
            return self._micro_batch(experience, lessons, Portion(rows, weights[own], token_weights[own]))

        parts = pack(lessons.units(first, last), experience.sequences.lengths, self.train.micro_batch_tokens)
        total, applied = optimizer_step(self.optimizer, parts, micro_batch, self.check)
        return (*total, applied.grad_norm, applied.skipped)

    def _micro_batch(self, experience: Experience, lessons: Lessons, portion: Portion) -> Tensor:
        """Add the gradient of some rows; their share of loss, entropy, clip fraction and weight, [4], detached."""
        sequences = experience.sequences.select(portion.rows)
        width = sequences.response_width
        rows = torch.tensor(portion.rows, device=self.model.device)
        weights, token_weights = portion.weights[:, :width], portion.token_weights[:, :width]
        with self.saving_memory(self.model):
            scores = score_responses(self.model, sequences, self.rollout.temperature)
        old_log_probs, advantages = lessons.give(rows, scores.log_probs.detach())
        trust = self.correction(old_log_probs, experience.rollout_log_probs[rows, :width])
        # Every surrogate is proportional to the advantage, so a weight on it is a weight on the loss.
        loss = policy_loss(self.surrogate, scores.log_probs, old_log_probs, trust * advantages, weights)
        loss = loss + entropy_bonus(scores.entropy, token_weights, self.loss.entropy_coef)
        if self.loss.kl_loss_coef > 0:
            ref_log_probs = experience.batch.require("ref_log_probs", "update")[rows, :width]
            estimator = KL_ESTIMATORS[self.loss.kl_estimator]
            loss = loss + kl_penalty(scores.log_probs, ref_log_probs, weights, estimator, self.loss.kl_loss_coef)
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            clipped = self.surrogate.is_clipped(scores.log_probs, old_log_probs, advantages, weights > 0)
            means = [weighted_sum(values, token_weights) for values in (scores.entropy, clipped, trust)]
            return torch.stack([loss, *means]).detach()
