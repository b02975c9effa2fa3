"""The credit methods once more, as slow and obvious loops over Python floats."""

import math

Rows = list[list[float]]
Mask = list[list[bool]]


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def unbiased_std(values: list[float]) -> float:
    if len(values) < 2:
        return 0.0
    center = mean(values)
    return math.sqrt(math.fsum((v - center) ** 2 for v in values) / (len(values) - 1))


def members(group_ids: list[int], row: int) -> list[int]:
    return [other for other, group in enumerate(group_ids) if group == group_ids[row]]


def spread(values: list[float], mask: Mask) -> Rows:
    """One value a response at each of its tokens."""
    return [[value if here else 0.0 for here in row] for value, row in zip(values, mask, strict=True)]


def grpo(rewards: list[float], group_ids: list[int], mask: Mask, std_eps: float) -> Rows:
    outcomes = []
    for i, reward in enumerate(rewards):
        group = [rewards[k] for k in members(group_ids, i)]
        outcomes.append((reward - mean(group)) / (unbiased_std(group) + std_eps))
    return spread(outcomes, mask)


def rloo(rewards: list[float], group_ids: list[int], mask: Mask) -> Rows:
    outcomes = []
    for i, reward in enumerate(rewards):
        others = [rewards[k] for k in members(group_ids, i) if k != i]
        outcomes.append(reward - mean(others) if others else 0.0)
    return spread(outcomes, mask)


def masked_step_advantages(old: Rows, ref: Rows, group_ids: list[int], mask: Mask, beta: float) -> Rows:
    width = len(mask[0])
    cpr: Rows = []
    for i in range(len(mask)):
        total = 0.0
        row = []
        for t in range(width):
            if mask[i][t]:
                total += beta * (old[i][t] - ref[i][t])
            row.append(total)
        cpr.append(row)
    msa = [[0.0] * width for _ in mask]
    for i in range(len(mask)):
        for t in range(width):
            if mask[i][t]:
                living = [cpr[k][t] for k in members(group_ids, i) if mask[k][t]]
                msa[i][t] = cpr[i][t] - mean(living)
    return msa


def spro(
    rewards: list[float],
    old: Rows,
    ref: Rows,
    group_ids: list[int],
    mask: Mask,
    beta: float,
    std_eps: float,
) -> Rows:
    outcome = grpo(rewards, group_ids, mask, std_eps)
    msa = masked_step_advantages(old, ref, group_ids, mask, beta)
    return [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(outcome, msa, strict=True)]
