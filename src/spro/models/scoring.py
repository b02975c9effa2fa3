"""Log-probs and entropy of sampled responses. Axis legend: B rows, P prompt columns, T response columns."""

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
    """One forward with gradient (unless the caller forbids it).

    The logits are divided by the sampling temperature, so that the log-probs are those of the distribution that was
    sampled from, as in verl and TRL.
    """
    token_ids, attention_mask = sequences.rectangle(model.device)
    width = sequences.response_width
    mask = sequences.response_mask(model.device)
    output = model(
        input_ids=token_ids,
        attention_mask=attention_mask,
        position_ids=(attention_mask.cumsum(dim=1) - 1).clamp(min=0),
        use_cache=False,
        logits_to_keep=width + 1,
    )
    logits = output.logits[:, -width - 1 : -1].float() / temperature
    return TokenScores(
        log_probs=token_log_probs(logits, token_ids[:, -width:]).masked_fill(~mask, 0.0),
        entropy=token_entropy(logits).masked_fill(~mask, 0.0),
    )


@torch.no_grad()
def score_in_micro_batches(
    model: PreTrainedModel, sequences: Sequences, temperature: float, micro_batch_size: int
) -> TokenScores:
    """The scores of the whole batch without gradient, ``micro_batch_size`` rows a forward."""
    width = sequences.response_width
    parts = [
        score_responses(model, sequences.rows(start, start + micro_batch_size), temperature)
        for start in range(0, len(sequences), micro_batch_size)
    ]
    return TokenScores(
        log_probs=concatenate_rows([part.log_probs for part in parts], width),
        entropy=concatenate_rows([part.entropy for part in parts], width),
    )
