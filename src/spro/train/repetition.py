"""How much a response says again: a policy that fell into a loop repeats long stretches word for word."""

from collections.abc import Sequence
from itertools import compress

from spro.train.group import Group
from spro.train.metrics import Metrics

NGRAM = 8


def repetition(token_ids: Sequence[int], n: int) -> float:
    """Share of the n-grams of a response that repeat an earlier one of it.

        1 - distinct / all,    all = T - n + 1

    0 without repetition, towards 1 for a loop. 0 for a response of fewer than ``n + 1`` tokens. Linear in T.
    Welleck et al. 2020 (arXiv 1908.04319) call it seq-rep-n.

    Args:
        token_ids: of one response.
        n: tokens of an n-gram, at least 1.
    """
    total = len(token_ids) - n + 1
    if total < 2:
        return 0.0
    return 1 - len(set(zip(*(token_ids[start : start + total] for start in range(n)), strict=True))) / total


def repetition_metrics(groups: Sequence[Group]) -> Metrics:
    """``response/repeated_ngrams``: mean over all that was rolled out, before the filter; None of nothing.

    A tool's tokens are left out: that it says again what it was asked again is no fault of the policy.
    """
    shares = [
        repetition(list(compress(one.token_ids, one.written)), NGRAM) for group in groups for one in group.responses
    ]
    return {"response/repeated_ngrams": sum(shares) / len(shares) if shares else None}
