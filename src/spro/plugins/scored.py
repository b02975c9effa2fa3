"""Credit where some responses could not be graded, or are padding of the host."""

import torch
from jaxtyping import Bool
from torch import Tensor

from spro.credit import Credit, Method, TokenBatch


def assign_among(method: Method, batch: TokenBatch, is_scored: Bool[Tensor, " B"]) -> Credit:
    """The credit of the responses that were scored, as if there were no others; the others' is 0.

    Args:
        method: of which the batch has what it needs.
        batch: of all responses; the ``outcome_rewards`` of one that was not scored are any finite number.
        is_scored: True where there is a reward.

    Raises:
        BatchError: see ``Method.assign``.
    """
    if not bool(is_scored.any()):
        nothing = torch.zeros_like(batch.response_mask, dtype=torch.float32)
        return Credit(nothing, {})
    rows = is_scored.nonzero().squeeze(-1)
    credit = method.assign(batch.select(rows, batch.shape[1]))

    def put_back(scored: Tensor) -> Tensor:
        return scored.new_zeros(batch.shape).index_copy(0, rows, scored)

    return Credit(put_back(credit.advantages), {name: put_back(term) for name, term in credit.terms.items()})
