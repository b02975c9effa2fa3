"""Where methods disagree most about what is true: the responses that a reader should see first.

Axis legend: B responses, T response positions, M methods.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from spro.lab.microscope.truth import Truth
from spro.report import signed


@dataclass(frozen=True)
class Disagreement:
    """How far methods are apart on one response.

    Attributes:
        score: sum over the tokens where the truth speaks of how far the best method is from the worst.
        token: where they are farthest apart; None where the truth says nothing.
        sentence: what is to be seen there.
    """

    score: float
    token: int | None
    sentence: str


def find_disagreements(
    mask: Bool[np.ndarray, "B T"],
    advantages: Mapping[str, Float[np.ndarray, "B T"]],
    truth: Truth | None,
    texts: Sequence[Sequence[str]],
) -> list[Disagreement]:
    """One for each response.

        n[m,t] = A[m,t] / root mean square of A[m] over all tokens
        d[t]   = max over m of n[m,t] - min over m of n[m,t]
        score  = sum of d[t] over the tokens t where the truth speaks

    Divided by its own size, a method is not loud because its numbers are large. At a token whose truth is negative the
    best-agreeing method is the one with the smallest n, at a positive one that with the largest.

    Args:
        mask: tokens that the policy wrote.
        advantages: by method.
        truth: that ranks; without one every token counts.
        texts: of the tokens, for the sentences.
    """
    names, stacked = list(advantages), np.stack(list(advantages.values())).astype(np.float64)
    sizes = np.sqrt((stacked**2).sum(axis=(1, 2), where=mask) / mask.sum())
    normalised = stacked / np.where(sizes > 0, sizes, 1.0)[:, None, None]
    true = _rectangle(mask, None if truth is None else truth.values)
    speaks = _rectangle(mask, None if truth is None else truth.speaks) != 0 if truth is not None else mask
    apart = np.where(speaks & mask, normalised.max(axis=0) - normalised.min(axis=0), 0.0)
    found = []
    for row in range(len(mask)):
        if not (speaks[row] & mask[row]).any():
            found.append(Disagreement(0.0, None, ""))
            continue
        token = int(np.where(speaks[row] & mask[row], apart[row], -1.0).argmax())
        at = dict(zip(names, zip(stacked[:, row, token], normalised[:, row, token], strict=True), strict=True))
        value = None if truth is None else float(true[row, token])
        place = f"token {token + 1} of {len(texts[row])}, {_quoted(texts[row][token])}"
        found.append(Disagreement(float(apart[row].sum()), token, _sentence(place, value, at)))
    return found


def _rectangle(mask: Bool[np.ndarray, "B T"], rows: Sequence[Sequence[float]] | None) -> Float[np.ndarray, "B T"]:
    filled = np.zeros(mask.shape)
    for index, row in enumerate(rows or ()):
        filled[index, : len(row)] = row
    return filled


def _sentence(place: str, truth: float | None, at: Mapping[str, tuple[float, float]]) -> str:
    """Such as: At token 12 of 34, "7", the truth is -1.00: grpo pushes it down (-0.520), spro pushes it up (+0.310)."""
    sign = -1.0 if truth is not None and truth < 0 else 1.0
    ranked = sorted(at, key=lambda name: -sign * at[name][1])
    said = [f"{name} {_push(at[name][0])} ({signed(at[name][0])})" for name in dict.fromkeys((ranked[0], ranked[-1]))]
    says = "" if truth is None else f" the truth is {signed(truth)}:"
    return f"At {place},{says} {', '.join(said)}."


def _push(advantage: float) -> str:
    return "pushes it up" if advantage > 0 else "pushes it down" if advantage < 0 else "says nothing"


def _quoted(text: str) -> str:
    return f"\u201c{text}\u201d" if text else "the stop token"
