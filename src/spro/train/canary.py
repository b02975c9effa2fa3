"""The canary: after each push, does the engine speak with the weights that are trained?

An engine of its own holds a copy of the weights, and may go on with old ones without a word. A few responses tell: the
log-prob that the engine gave each token when it sampled it must be the trainer's of that token. What a single update
moves by less than the engine's own rounding only the policy version can tell, which is looked at too.
"""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from spro.errors import TrainingError
from spro.models import Sequences, response_log_probs
from spro.rollout import Engine, Response, Sampling

RESPONSES, TOKENS = 4, 16
"""How many are sampled and how long they may be: enough for a mean, and of no weight beside a rollout."""


@dataclass(frozen=True, slots=True)
class CanaryReading:
    """How far the engine's log-probs are from the trainer's, in nats, over the tokens of the canary's responses."""

    mean_log_prob_diff: float
    max_log_prob_diff: float
    tokens: int


@dataclass(frozen=True)
class Canary:
    """Samples behind a fixed prompt and compares.

    Always the same prompt: what an engine kept of it under old weights, and should have dropped, is then found.

    Attributes:
        engine: any.
        model: that is trained.
        prompt_token_ids: of the first training problem.
        pad_token_id: see ``Sequences``.
        temperature: of the training responses.
        limit: see ``RolloutConfig.log_prob_limit``.
    """

    engine: Engine
    model: PreTrainedModel
    prompt_token_ids: tuple[int, ...]
    pad_token_id: int
    temperature: float
    limit: float

    def __call__(self, version: int) -> CanaryReading:
        """Look after the push of ``version``, which is the seed as well.

        Raises:
            TrainingError: the engine samples with other weights than the trainer's; one line.
        """
        sampling = Sampling(RESPONSES, TOKENS, self.temperature)
        (group,) = self.engine.generate([self.prompt_token_ids], sampling, seed=version)
        strange = [response.policy_version for response in group if response.policy_version != version]
        if strange:
            raise TrainingError(
                f"policy version {version} was pushed to the engine, and what it samples bears {strange[0]}: the push "
                "did not arrive"
            )
        reading = self._read(group)
        # Written so that NaN fails.
        if not reading.mean_log_prob_diff <= self.limit:
            raise TrainingError(
                f"after the push of policy version {version} the engine's log-probs differ from the trainer's by "
                f"{reading.mean_log_prob_diff:.2g} nats in the mean over {reading.tokens} tokens (at most "
                f"{reading.max_log_prob_diff:.2g}), above rollout.max_log_prob_diff = {self.limit:g}: the engine holds "
                "other weights or computes otherwise; rollout.engine=local has neither"
            )
        return reading

    def _read(self, group: tuple[Response, ...]) -> CanaryReading:
        written = tuple(response.written for response in group)
        sequences = Sequences(
            prompts=(self.prompt_token_ids,) * len(group),
            responses=tuple(response.token_ids for response in group),
            pad_token_id=self.pad_token_id,
            masks=written,
        )
        max_tokens = len(group) * max(sequences.lengths)
        log_probs = response_log_probs(self.model, sequences, self.temperature, max_tokens)
        ours = log_probs[sequences.response_mask(self.model.device)].cpu()
        theirs = torch.tensor(
            [
                log_prob
                for response, mask in zip(group, written, strict=True)
                for log_prob, is_written in zip(response.rollout_log_probs, mask, strict=True)
                if is_written
            ]
        )
        diff = (theirs - ours).abs()
        return CanaryReading(float(diff.mean()), float(diff.max()), len(diff))
