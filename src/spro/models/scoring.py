"""Log-probs and entropy of sampled responses. Axis legend: B rows, T response columns, V vocabulary."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.loss import token_entropy, token_log_probs
from spro.models.sequences import Sequences, concatenate_rows


@dataclass(frozen=True)
class TokenScores:
    """What a model says of responses that exist already.

    Attributes:
        log_probs: float32 [B, T], nats, 0 off the responses.
        entropy: float32 [B, T], nats, of the whole next-token distribution, 0 off the responses.
    """

    log_probs: Tensor
    entropy: Tensor


def score_responses(model: PreTrainedModel, sequences: Sequences, temperature: float) -> TokenScores:
    """One forward, with gradient unless the caller forbids it."""
    logits, token_ids, mask = _response_logits(model, sequences, temperature)
    return TokenScores(
        log_probs=token_log_probs(logits, token_ids).masked_fill(~mask, 0.0),
        entropy=token_entropy(logits).masked_fill(~mask, 0.0),
    )


@torch.no_grad()
def response_log_probs(
    model: PreTrainedModel, sequences: Sequences, temperature: float, micro_batch_size: int
) -> Tensor:
    """Log-probs [B, T] without gradient, ``micro_batch_size`` rows a forward; 0 off the responses."""
    parts = []
    for start in range(0, len(sequences), micro_batch_size):
        logits, token_ids, mask = _response_logits(model, sequences.rows(start, start + micro_batch_size), temperature)
        parts.append(token_log_probs(logits, token_ids).masked_fill(~mask, 0.0))
    return concatenate_rows(parts, sequences.response_width)


def _response_logits(model: PreTrainedModel, sequences: Sequences, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Logits [B, T, V] from which the response tokens were drawn, those tokens and their mask, both [B, T].

    The logits are divided by the sampling temperature, so that the log-probs are those of the distribution that was
    sampled from, as in verl and TRL.
    """
    token_ids, attention_mask = sequences.rectangle(model.device)
    width = sequences.response_width
    output = model(
        input_ids=token_ids,
        attention_mask=attention_mask,
        position_ids=(attention_mask.cumsum(dim=1) - 1).clamp(min=0),
        use_cache=False,
        logits_to_keep=width + 1,
    )
    logits = output.logits[:, -width - 1 : -1].float() / temperature
    return logits, token_ids[:, -width:], sequences.response_mask(model.device)
