"""Pieces of slow and obvious loops over Python floats; the test of each method writes its equation with them.

A row is a response, a list of one number a position. What lies off the mask is never read, and 0 in what is returned.
"""

import math
from types import SimpleNamespace

import torch

from spro.credit import TokenBatch

Row = list[float]
Rows = list[Row]
Mask = list[list[bool]]


def plain(batch: TokenBatch) -> SimpleNamespace:
    """Every tensor of the batch as a list, under its own name."""
    return SimpleNamespace(**{name: tensor.tolist() for name, tensor in vars(batch).items() if tensor is not None})


def assert_matches(actual: torch.Tensor, expected: Rows) -> None:
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-6)


# One response, one group


def mean(values: Row) -> float:
    return math.fsum(values) / len(values)


def mean_or_zero(values: Row) -> float:
    return mean(values) if values else 0.0


def unbiased_std(values: Row) -> float:
    if len(values) < 2:
        return 0.0
    center = mean(values)
    return math.sqrt(math.fsum((v - center) ** 2 for v in values) / (len(values) - 1))


def members(group_ids: list[int], row: int) -> list[int]:
    return [other for other, group in enumerate(group_ids) if group == group_ids[row]]


def others(group_ids: list[int], row: int) -> list[int]:
    return [other for other in members(group_ids, row) if other != row]


def written(here: list[bool]) -> list[int]:
    """Positions that the policy wrote."""
    return [t for t, is_written in enumerate(here) if is_written]


# One number a response


def centered(rewards: Row, group_ids: list[int]) -> Row:
    return [reward - mean([rewards[k] for k in members(group_ids, i)]) for i, reward in enumerate(rewards)]


def standardized(rewards: Row, group_ids: list[int], std_eps: float) -> Row:
    spreads = [unbiased_std([rewards[k] for k in members(group_ids, i)]) for i in range(len(rewards))]
    return [value / (std + std_eps) for value, std in zip(centered(rewards, group_ids), spreads, strict=True)]


def against_others(rewards: Row, group_ids: list[int]) -> Row:
    """Minus the mean of the other members; 0 for a group of one."""
    return [
        reward - mean([rewards[k] for k in others(group_ids, i)]) if others(group_ids, i) else 0.0
        for i, reward in enumerate(rewards)
    ]


def spread(values: Row, mask: Mask) -> Rows:
    """One value a response at each of its tokens."""
    return [[value if here else 0.0 for here in row] for value, row in zip(values, mask, strict=True)]


def at_last_token(rewards: Row, mask: Mask) -> Rows:
    last = [max(written(here), default=-1) for here in mask]
    return [
        [reward if t == end else 0.0 for t in range(len(mask[0]))] for reward, end in zip(rewards, last, strict=True)
    ]


# One number a token


def added(*summands: Rows) -> Rows:
    return [[math.fsum(values) for values in zip(*rows, strict=True)] for rows in zip(*summands, strict=True)]


def scaled(factor: float, rows: Rows) -> Rows:
    return [[factor * value for value in row] for row in rows]


def log_ratios(log_probs: Rows, ref_log_probs: Rows, mask: Mask) -> Rows:
    return [
        [p - q if is_here else 0.0 for p, q, is_here in zip(*rows, strict=True)]
        for rows in zip(log_probs, ref_log_probs, mask, strict=True)
    ]


def prefix_sums(rows: Rows, mask: Mask) -> Rows:
    return [
        [math.fsum(row[s] for s in written(here) if s <= t) if here[t] else 0.0 for t in range(len(row))]
        for row, here in zip(rows, mask, strict=True)
    ]


def returns(rows: Rows, mask: Mask, gamma: float = 1.0) -> Rows:
    """What is still to come; time passes with the tokens that the policy writes."""
    result = [[0.0] * len(row) for row in rows]
    for i, here in enumerate(mask):
        for t in written(here):
            to_come = [s for s in written(here) if s >= t]
            result[i][t] = math.fsum(gamma**age * rows[i][s] for age, s in enumerate(to_come))
    return result


def against_living(rows: Rows, group_ids: list[int], mask: Mask) -> Rows:
    """Minus the mean over the members that have a token at the same position, the own one included."""
    result = [[0.0] * len(row) for row in rows]
    for i, here in enumerate(mask):
        for t in written(here):
            result[i][t] = rows[i][t] - mean([rows[k][t] for k in members(group_ids, i) if mask[k][t]])
    return result


def outcome_term(p: SimpleNamespace, std_eps: float) -> Rows:
    """SPRO's first term."""
    return spread(standardized(p.outcome_rewards, p.group_ids, std_eps), p.response_mask)


def process_rewards(p: SimpleNamespace, beta: float) -> Rows:
    """SPRO's reward of each token."""
    return scaled(beta, log_ratios(p.old_log_probs, p.ref_log_probs, p.response_mask))


def msa_term(p: SimpleNamespace, beta: float) -> Rows:
    """SPRO's second term."""
    cpr = prefix_sums(process_rewards(p, beta), p.response_mask)
    return against_living(cpr, p.group_ids, p.response_mask)


def token_means(rows: Rows, mask: Mask) -> Row:
    """Mean over the tokens of each response; 0 for one without tokens."""
    return [mean_or_zero([row[t] for t in written(here)]) for row, here in zip(rows, mask, strict=True)]


def against_tokens_of_others(rows: Rows, group_ids: list[int], mask: Mask) -> Rows:
    """Minus the mean over the other members of the mean over their tokens; 0 for a group of one."""
    means = token_means(rows, mask)
    result = [[0.0] * len(row) for row in rows]
    for i, here in enumerate(mask):
        if others(group_ids, i):
            for t in written(here):
                result[i][t] = rows[i][t] - mean([means[k] for k in others(group_ids, i)])
    return result


def whitened(rows: Rows, mask: Mask) -> Rows:
    """Mean 0, unbiased variance 1 over the tokens of the batch, 1e-8 added to the variance."""
    values = [row[t] for row, here in zip(rows, mask, strict=True) for t in written(here)]
    center, variance = mean_or_zero(values), unbiased_std(values) ** 2
    return [
        [
            (value - center) / math.sqrt(variance + 1e-8) if is_here else 0.0
            for value, is_here in zip(*pair, strict=True)
        ]
        for pair in zip(rows, mask, strict=True)
    ]


# Steps


def step_tokens(step_ids: list[int], here: list[bool]) -> dict[int, list[int]]:
    """Positions of the tokens of each step."""
    result: dict[int, list[int]] = {}
    for t in written(here):
        if step_ids[t] >= 0:
            result.setdefault(step_ids[t], []).append(t)
    return result


def steps_of(step_values: Row, exists: list[bool]) -> Row:
    return [value for value, is_there in zip(step_values, exists, strict=True) if is_there]


def sums_of_steps_to_end(values: Rows, step_ids: list[list[int]], mask: Mask) -> Rows:
    """Sum of the values of the steps that end at t or later."""
    result = [[0.0] * len(here) for here in mask]
    for i, here in enumerate(mask):
        ends = {k: max(tokens) for k, tokens in step_tokens(step_ids[i], here).items()}
        for t in written(here):
            result[i][t] = math.fsum(values[i][k] for k, end in ends.items() if end >= t)
    return result
