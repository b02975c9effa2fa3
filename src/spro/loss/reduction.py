"""Reductions: the only place that divides.

A reduction is a weight for each token, computed once from the mask of the whole batch; the loss is the weighted sum.
So a batch may be cut into micro-batches anywhere and the gradient stays the same: slices of the weights belong to
slices of the batch, and their sums add up.

Names are verl's (``agg_loss``). Axis legend: B responses, T positions, |y_i| tokens of response i.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Reduction = Callable[[Bool[Tensor, "B T"], int], Float[Tensor, "B T"]]
"""(response mask of the whole batch, max_response_length) -> weight of each token."""


def token_mean(mask: Bool[Tensor, "B T"], max_response_length: int) -> Float[Tensor, "B T"]:
    """Every token of the batch alike. Denominator: the number of tokens in the batch."""
    return mask.float() / mask.sum().clamp(min=1)


def token_sum(mask: Bool[Tensor, "B T"], max_response_length: int) -> Float[Tensor, "B T"]:
    """Sum over all tokens. Denominator: 1, so the gradient grows with the batch; for those who scale it themselves."""
    return mask.float()


def seq_mean_token_sum(mask: Bool[Tensor, "B T"], max_response_length: int) -> Float[Tensor, "B T"]:
    """Sum over the tokens, mean over the responses. Denominator: B."""
    return mask.float() / mask.shape[0]


def seq_mean_token_mean(mask: Bool[Tensor, "B T"], max_response_length: int) -> Float[Tensor, "B T"]:
    """Mean over the tokens, then over the responses (SPRO Eq. 14, GRPO). Denominator: B |y_i|."""
    return mask.float() / (mask.sum(dim=1, keepdim=True).clamp(min=1) * mask.shape[0])


def seq_mean_token_sum_norm(mask: Bool[Tensor, "B T"], max_response_length: int) -> Float[Tensor, "B T"]:
    """Sum over the tokens, mean over the responses, divided by a constant (Dr. GRPO). Denominator: B * max length.

    verl divides by the padded width of the batch unless told otherwise; here the constant is the length limit, so that
    padding changes nothing.
    """
    return mask.float() / (mask.shape[0] * max_response_length)


REDUCTIONS: dict[str, Reduction] = {
    "token-mean": token_mean,
    "token-sum": token_sum,
    "seq-mean-token-sum": seq_mean_token_sum,
    "seq-mean-token-mean": seq_mean_token_mean,
    "seq-mean-token-sum-norm": seq_mean_token_sum_norm,
}


def weighted_sum(values: Float[Tensor, "B T"], weights: Float[Tensor, "B T"]) -> Float[Tensor, ""]:
    """The sum that a reduction's weights call for; a value of weight 0 is never read, be it NaN."""
    return torch.where(weights > 0, values, 0.0).mul(weights).sum()
