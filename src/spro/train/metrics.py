"""What a step logs. Names are TRL's and verl's where they have one (docs/naming.md)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from spro.credit import Credit, TokenBatch
from spro.loss import KL_ESTIMATORS
from spro.train.experience import Experience
from spro.train.group import Group
from spro.train.sampling import unscored_share
from spro.verify import Status

Metrics = dict[str, float | None]
"""Flat name to number; None where a step could not measure it."""


def rollout_metrics(groups: Sequence[Group]) -> Metrics:
    """Of all that was rolled out, before the filter, so that oversampling does not colour them."""
    responses = [response for group in groups for response in group.responses]
    graded = [v for group in groups for v in group.verdicts if v.score is not None]
    lengths = torch.tensor([float(len(response.token_ids)) for response in responses])
    scores = torch.tensor([v.score for v in graded], dtype=torch.float64)
    return {
        "accuracy": sum(v.status is Status.CORRECT for v in graded) / len(graded) if graded else None,
        "reward": float(scores.mean()) if graded else None,
        "reward_std": float(scores.std(correction=0)) if graded else None,
        "step_tokens": float(lengths.sum()),
        "response_length/mean": float(lengths.mean()),
        "response_length/max": float(lengths.max()),
        "response_length/clip_ratio": sum(r.finish_reason == "length" for r in responses) / len(responses),
        "verify/unscored_fraction": unscored_share(groups),
        "verify/timeout_fraction": sum(v.status is Status.TIMEOUT for v in graded) / max(len(graded), 1),
        **_function_means(groups),
    }


def _function_means(groups: Sequence[Group]) -> Metrics:
    """Mean number of each reward function, under TRL's name, over the responses to which it applies."""
    numbers: dict[str, list[float]] = {}
    for group in groups:
        for one in group.judged:
            for name, number in one.parts.items():
                numbers.setdefault(name, []).extend([] if number is None else [number])
    return {f"rewards/{name}/mean": sum(found) / len(found) if found else None for name, found in numbers.items()}


def step_metrics(groups: Sequence[Group]) -> Metrics:
    """Of groups whose responses are cut into steps; nothing of others."""
    counts = [step_ids[-1] + 1 for group in groups for step_ids in group.step_ids or ()]
    return {"steps/mean": sum(counts) / len(counts)} if counts else {}


def credit_metrics(experience: Experience, credit: Credit) -> dict[str, Tensor]:
    """Spread of the advantages and of each of their terms over the tokens, and how far the sampler is off."""
    mask = experience.batch.response_mask
    old_log_probs = experience.batch.require("old_log_probs", "metrics")
    off = (experience.rollout_log_probs - old_log_probs)[mask].abs()
    return {
        **credit.spread(mask),
        "rollout/log_prob_diff_mean": off.mean(),
        "rollout/log_prob_diff_max": off.max(),
        **_divergence(experience.batch),
    }


def _divergence(batch: TokenBatch) -> dict[str, Tensor]:
    """KL(policy || reference) in nats a token, where a reference is held: the mean of k3, which is never negative."""
    if batch.ref_log_probs is None:
        return {}
    log_ratio = batch.require("old_log_probs", "metrics") - batch.ref_log_probs
    return {"kl": KL_ESTIMATORS["k3"](log_ratio)[batch.response_mask].mean()}


def to_metrics(tensors: Mapping[str, Tensor]) -> Metrics:
    """Scalars on the device to numbers, in one transfer."""
    return dict(zip(tensors, torch.stack([t.float() for t in tensors.values()]).tolist(), strict=True))
