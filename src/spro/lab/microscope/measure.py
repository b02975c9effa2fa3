"""How well each method's advantages go with a truth, in numbers with intervals.

Axis legend: N tokens that the policy wrote, M methods.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from spro.lab.microscope.truth import Truth
from spro.statistics import Agreement, correlation, sign_agreement

SILENT = 1e-6
"""An advantage this small, beside the method's largest, is the rounding of float32 and says nothing."""
MEANINGS = {
    "pearson": "correlation of the advantages with the truth, over all tokens",
    "spearman": "the same of their ranks",
    "pearson_inside": "correlation when both are centered on their mean over the response: which token, not which "
    "response; none for a method that says the same of all tokens",
    "spearman_inside": "correlation of the ranks within a response, over all tokens",
    "sign": "of the tokens where the truth speaks and the method is not silent, the share that get the right sign",
    "sign_inside": "the same when the advantage is compared with the mean over its response",
    "silent": "of the tokens where the truth speaks, the share that get an advantage of 0",
}
"""Measure -> what it says."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """What was said of the tokens that the policy wrote, row by row.

    Attributes:
        responses: of which response each token is.
        groups: of which group.
        advantages: by method; exactly 0 where the method is silent.
    """

    responses: Int[np.ndarray, " N"]
    groups: Int[np.ndarray, " N"]
    advantages: Mapping[str, Float[np.ndarray, " N"]]


@dataclass(frozen=True)
class Measure:
    """One number: how well a method goes with a truth.

    Attributes:
        name: a key of ``MEANINGS``.
        agreement: value, interval, and how many tokens and groups it is of.
    """

    method: str
    truth: str
    name: str
    agreement: Agreement


def gather_tokens(
    mask: Bool[np.ndarray, "B T"], group_ids: Int[np.ndarray, " B"], advantages: Mapping[str, Float[np.ndarray, "B T"]]
) -> Tokens:
    """The tokens under the mask."""
    responses = np.nonzero(mask)[0]
    said = {name: _without_dust(values[mask].astype(np.float64)) for name, values in advantages.items()}
    return Tokens(responses, group_ids[responses], said)


def measure_methods(tokens: Tokens, truth: Truth, mask: Bool[np.ndarray, "B T"]) -> list[Measure]:
    """Every measure of every method against one truth.

    Intervals are of the groups: tokens of one group share a prompt and their rewards.
    """
    true, speaks = on_mask(truth.values, mask), on_mask(truth.speaks, mask).astype(bool)
    found = []
    for method, said in tokens.advantages.items():
        for name, agreement in _measures(said, true, speaks, tokens):
            found.append(Measure(method, truth.name, name, agreement))
    return found


def _measures(
    said: Float[np.ndarray, " N"], true: Float[np.ndarray, " N"], speaks: Bool[np.ndarray, " N"], tokens: Tokens
) -> list[tuple[str, Agreement]]:
    of_response, groups = tokens.responses, tokens.groups.tolist()
    inside, true_inside = _centered(said, of_response), _centered(true, of_response)
    pairs = {
        "pearson": (said, true),
        "spearman": (rankdata(said), rankdata(true)),
        "pearson_inside": (inside, true_inside),
        "spearman_inside": (_ranked_inside(inside, of_response), _ranked_inside(true_inside, of_response)),
    }
    found = [(name, correlation(x, y, groups)) for name, (x, y) in pairs.items()]
    if not speaks.any():
        return [*found, *((name, Agreement(None, None, None, 0, 0)) for name in MEANINGS if name not in pairs)]
    here = tokens.groups[speaks].tolist()
    silent = float((said[speaks] == 0).mean())
    return [
        *found,
        ("sign", sign_agreement(said[speaks], true[speaks], here)),
        ("sign_inside", sign_agreement(inside[speaks], true[speaks], here)),
        ("silent", Agreement(silent, None, None, int(speaks.sum()), len(set(here)))),
    ]


def opposite_signs(tokens: Tokens) -> list[list[float]]:
    """Share of the tokens to which two methods give opposite signs, [M, M] in the order of the methods."""
    signs = [np.sign(values) for values in tokens.advantages.values()]
    return [[float((one * other < 0).mean()) for other in signs] for one in signs]


def on_mask(rows: Sequence[Sequence[float]], mask: Bool[np.ndarray, "B T"]) -> Float[np.ndarray, " N"]:
    """What stands in ragged rows at the tokens under the mask."""
    filled: Float[np.ndarray, "B T"] = np.zeros(mask.shape)
    for index, row in enumerate(rows):
        filled[index, : len(row)] = row
    found: Float[np.ndarray, " N"] = filled[mask]
    return found


def _centered(values: Float[np.ndarray, " N"], of_response: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Minus the mean over the response; exactly 0 where that leaves rounding."""
    counts = np.bincount(of_response)
    means = np.bincount(of_response, values) / np.maximum(counts, 1)
    centered = values - means[of_response]
    return np.where(np.abs(centered) <= SILENT * _largest(values), 0.0, centered)


def _ranked_inside(values: Float[np.ndarray, " N"], of_response: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Ranks within the response, from -1/2 to 1/2, so that a long response does not outweigh a short one."""
    return _of_each(values, of_response, lambda part: (rankdata(part) - (len(part) + 1) / 2) / len(part))


def _of_each(
    values: Float[np.ndarray, " N"],
    of_response: Int[np.ndarray, " N"],
    change: Callable[[Float[np.ndarray, " n"]], Float[np.ndarray, " n"]],
) -> Float[np.ndarray, " N"]:
    starts = np.flatnonzero(np.diff(of_response)) + 1
    return np.concatenate([change(part) for part in np.split(values, starts)])


def _without_dust(values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    return np.where(np.abs(values) <= SILENT * _largest(values), 0.0, values)


def _largest(values: Float[np.ndarray, " N"]) -> float:
    return max(float(np.abs(values).max(initial=0.0)), SILENT)
