"""What the loss reads from the logits. Axis legend: B responses, T positions, V vocabulary."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def token_log_probs(logits: Float[Tensor, "B T V"], token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Log pi(a_t | s_t) in nats of the given tokens."""
    chosen = logits.gather(-1, token_ids[..., None]).squeeze(-1)
    return chosen - logits.logsumexp(dim=-1)


def token_entropy(logits: Float[Tensor, "B T V"]) -> Float[Tensor, "B T"]:
    """Entropy in nats of the whole next-token distribution, differentiable.

    H = log Z - sum over a of pi(a) l(a). A logit of minus infinity is an impossible token and adds nothing.
    """
    # Replaced before the product: a where behind it would still send 0 * inf = NaN into the gradient.
    finite = logits.masked_fill(logits == -torch.inf, 0.0)
    return logits.logsumexp(dim=-1) - (logits.softmax(dim=-1) * finite).sum(dim=-1)
