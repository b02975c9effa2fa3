"""Log-probs and entropy of sampled responses.

Axis legend: B rows, T response columns, W columns of the rectangle, N tokens that the policy wrote, row by row, D
hidden size, V vocabulary.

Logits are divided by the sampling temperature, so that the log-probs are those of the distribution that was sampled
from, as in verl and TRL. Only positions whose next token the policy wrote reach the head, and their logits [N, V]
never exist as a whole. A model whose logits are more than a linear head (see ``spro.models.head``) is run row by row
and scored by its own logits, which is slower and holds those of a row, with gradient those of all rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from spro.loss import token_entropy, token_log_probs
from spro.models.head import forward_arguments, last_hidden_state, linear_head
from spro.models.linear import linear_log_probs, linear_scores
from spro.models.packing import pack
from spro.models.sequences import Sequences, to_rectangle


@dataclass(frozen=True)
class TokenScores:
    """What a model says of responses that exist already.

    Attributes:
        log_probs: float32 [B, T], nats, 0 where the policy wrote nothing.
        entropy: float32 [B, T], nats, of the whole next-token distribution, 0 where the policy wrote nothing.
    """

    log_probs: Tensor
    entropy: Tensor


def score_responses(model: PreTrainedModel, sequences: Sequences, temperature: float) -> TokenScores:
    """One forward, with gradient unless the caller forbids it."""
    found = linear_head(model)
    if found is None:
        log_probs, entropy = _own_scores(model, sequences, temperature)
    else:
        head, bend = found
        states = response_states(model, sequences)
        token_ids = sequences.written_token_ids(model.device)
        bend = replace(bend, temperature=temperature)
        log_probs, entropy = linear_scores(states, head.weight, head.bias, token_ids, bend)
    mask = sequences.response_mask(model.device)
    return TokenScores(to_rectangle(log_probs.float(), mask), to_rectangle(entropy.float(), mask))


@torch.no_grad()
def response_log_probs(
    model: PreTrainedModel,
    sequences: Sequences,
    temperature: float,
    max_tokens: int,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """Log-probs float32 [B, T] without gradient, in forwards of at most ``max_tokens`` tokens; 0 off the mask.

    Args:
        model: of the log-probs.
        sequences: in any order of length; what is returned has their order.
        temperature: of sampling.
        max_tokens: of a forward, padding included; a longer row has one for itself.
        check: called before each forward; what it raises ends the scoring.
    """
    log_probs = torch.zeros(len(sequences), sequences.response_width, device=model.device)
    for rows in pack([(row,) for row in range(len(sequences))], sequences.lengths, max_tokens):
        check()
        part = sequences.select(rows)
        flat = _log_probs(model, part, temperature).float()
        log_probs[list(rows), : part.response_width] = to_rectangle(flat, part.response_mask(model.device))
    return log_probs


def response_states(model: PreTrainedModel, sequences: Sequences) -> Tensor:
    """[N, D] in the model's dtype: of each written token the last hidden state from which it is predicted."""
    states = last_hidden_state(model, sequences.rectangle(model.device))
    return states.flatten(0, 1).index_select(0, sequences.predictors(model.device))


def _log_probs(model: PreTrainedModel, sequences: Sequences, temperature: float) -> Tensor:
    """[N], by the head if the model has one."""
    found = linear_head(model)
    if found is None:
        return _own_scores(model, sequences, temperature)[0]
    head, bend = found
    states = response_states(model, sequences)
    token_ids = sequences.written_token_ids(model.device)
    return linear_log_probs(states, head.weight, head.bias, token_ids, replace(bend, temperature=temperature))


def _own_scores(model: PreTrainedModel, sequences: Sequences, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probs and entropy, both [N], by the model's own logits, one forward a row."""
    log_probs, entropy = [], []
    for row in range(len(sequences)):
        part = sequences.select([row])
        token_ids = part.rectangle(model.device)
        kept = part.response_width + 1
        logits = model(**forward_arguments(token_ids), logits_to_keep=kept).logits[:, -kept:]
        places = part.predictors(model.device) - (token_ids.shape[1] - kept)
        logits = logits.index_select(1, places)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature
        log_probs.append(token_log_probs(logits, part.written_token_ids(model.device)[None])[0])
        entropy.append(token_entropy(logits)[0])
    return torch.cat(log_probs), torch.cat(entropy)
