"""How an implicit process reward model learns from outcomes alone. Axis legend: B responses, T positions."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def implicit_reward_logit(
    prm_log_probs: Float[Tensor, "B T"],
    ref_log_probs: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    beta: float,
) -> Float[Tensor, " B"]:
    """The reward of a whole response, beta * sum over t of log pi_phi(a_t|s_t) / pi_ref(a_t|s_t) (PRIME, Eq. 3)."""
    return beta * torch.where(mask, prm_log_probs - ref_log_probs, 0.0).sum(dim=1)


def outcome_cross_entropy(logit: Float[Tensor, " B"], outcome: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """- o log sigmoid(logit) - (1 - o) log(1 - sigmoid(logit)) in nats, a response each, unreduced (PRIME, Eq. 5).

    Args:
        logit: of ``implicit_reward_logit``.
        outcome: score in [0, 1]; what lies between, such as the share of tests that passed, is a soft target, as in the
            repository.
    """
    return binary_cross_entropy_with_logits(logit, outcome, reduction="none")
