"""The implicit process reward model (PRIME, arXiv 2502.01456), which learns the outcome online.

Axis legend: B responses of the step, b of a micro-batch, T response positions.
"""

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.config import PrmConfig
from spro.loss import implicit_reward_logit, outcome_cross_entropy
from spro.models import pack, score_responses
from spro.train.compute import cost_of, read
from spro.train.experience import Experience
from spro.train.optimizer import Optimizer
from spro.train.passes import Rows, SavingMemory, mini_batches, optimizer_step
from spro.train.source import LearningSource, Scoring, Stats, optimizer_stats


class RewardModel(LearningSource):
    """Log-probs of a copy of the policy that is trained so that their ratio to the reference tells the outcome.

    Args:
        model: the copy.
        section: how it learns.
        optimizer: of its weights.
        scoring: how log-probs are made.
        saving_memory: see ``Updater``.
    """

    tensor: ClassVar[str] = "prm_log_probs"

    def __init__(
        self,
        model: PreTrainedModel,
        section: PrmConfig,
        optimizer: Optimizer,
        scoring: Scoring,
        saving_memory: SavingMemory,
    ) -> None:
        self.model = model
        self.section = section
        self.optimizer = optimizer
        self.scoring = scoring
        self.saving_memory = saving_memory

    def score(self, experience: Experience) -> tuple[Tensor, Stats]:
        """The log-probs, as they are in the pass that learns, or by a pass behind it (``prm.update``)."""
        log_probs, stats = self._learn(experience)
        if self.section.update == "before":
            log_probs = self.scoring.log_probs(self.model, experience)
        return log_probs, stats

    def flos(self, experience: Experience) -> int:
        """See ``Source``."""
        cost, work = cost_of(self.model, self.saving_memory), read(experience.sequences)
        return cost.training(work) + (cost.forward(work) if self.section.update == "before" else 0)

    def _learn(self, experience: Experience) -> tuple[Tensor, Stats]:
        """Take the optimizer steps; each response's log-probs [B, T] are those of before its own."""
        log_probs = torch.zeros_like(experience.rollout_log_probs)
        logits = torch.zeros_like(experience.scores)
        losses, applied = [], []
        for first, last in mini_batches(len(experience.group_starts) - 1, self.section.mini_batches):
            rows = range(experience.group_starts[first], experience.group_starts[last])
            parts = pack([(row,) for row in rows], experience.sequences.lengths, self.scoring.max_tokens)
            micro_batch = partial(self._micro_batch, experience, log_probs, logits, len(rows))
            total, step = optimizer_step(self.optimizer, parts, micro_batch, self.scoring.check)
            losses.append(total[0])
            applied.append(step)
        right = (logits > 0) == (experience.scores > 0.5)
        return log_probs, {
            "prm/loss": torch.stack(losses).mean(),
            "prm/accuracy": right.float().mean(),
            **optimizer_stats("prm", applied),
        }

    def _micro_batch(self, experience: Experience, log_probs: Tensor, logits: Tensor, total: int, part: Rows) -> Tensor:
        """Add the gradient of some of ``total`` rows, note log-probs and logits; their share of the loss, [1]."""
        sequences = experience.sequences.select(part)
        rows, width = torch.tensor(part, device=self.model.device), sequences.response_width
        mask = experience.batch.response_mask[rows, :width]
        ref_log_probs = experience.batch.require("ref_log_probs", "prm")[rows, :width]
        with self.saving_memory(self.model):
            scores = score_responses(self.model, sequences, self.scoring.temperature)
        logit = implicit_reward_logit(scores.log_probs, ref_log_probs, mask, self.section.beta)
        loss = outcome_cross_entropy(logit, experience.scores[rows]).sum() / total
        loss.backward()  # type: ignore[no-untyped-call]
        log_probs[rows, :width] = scores.log_probs.detach()
        logits[rows] = logit.detach()
        return loss.detach()[None]
