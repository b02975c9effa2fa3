"""From sums to scores: how near a method's advantage and its gradient come to the truth, each with its error."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from spro.lab.oracle.sums import Sums, total

Z95 = 1.959964
CERTAIN = 3.0
"""Standard errors by which a gradient must point along the true one before it is divided by that share."""

COLUMNS = {
    "correlation": "Pearson correlation of the advantages with the true A(s, a), over all sampled tokens",
    "inside": "the same after both are centered on their mean over the response: which token, not which response",
    "sign": "share of the tokens with |A| > 0.01 on which the method is not silent that get the right sign",
    "silent": "share of the tokens with |A| > 0.01 that get an advantage of 0",
    "cosine": "of the expected policy gradient and the exact one",
    "bias": "|E g - c grad J| / |c grad J|, c the scale that fits best",
    "unscaled_bias": "the same with c = 1: what remains if the learning rate knows nothing of the scale",
    "scale": "c: how much longer or shorter than grad J the expected gradient is, along it",
    "noise": "total variance of one batch's gradient over |c grad J|^2",
    "noise_ratio": "noise over that of RLOO on the same batches; of two unbiased methods the lower needs fewer samples",
}
"""Score -> what it says."""


@dataclass(frozen=True)
class Estimate:
    """A measured number.

    Attributes:
        value: None where it has no meaning (a method that is silent, or does not point along the gradient).
        error: one standard error; None with the value, and of a bias that may as well be 0.
        floor: of a bias, the size below which it cannot be told from 0 at 95 %; None of other scores.
    """

    value: float | None
    error: float | None = None
    floor: float | None = None

    @property
    def is_floored(self) -> bool:
        """A bias that may as well be 0."""
        return self.value is not None and self.floor is not None and self.value <= self.floor


UNDEFINED = Estimate(None)


def estimate_scores(
    blocks: list[Sums], control: list[Sums], unit: list[Sums], truth: Float[Tensor, " D"]
) -> dict[str, Estimate]:
    """Every score of ``COLUMNS``; errors by leaving out one block after the other (jackknife).

    Args:
        blocks: of the method, one entry a block of batches.
        control: of r_i - V(s_0) on the same batches, whose expected gradient is exact: what it is off by in these
            batches is regressed out of the method's gradient, so that biases are seen through less noise.
        unit: of RLOO on the same batches.
        truth: the exact gradient.
    """
    parts = (blocks, control, unit)
    wholes = tuple(map(total, parts))
    share = _control_share(wholes[0], wholes[1])
    size = float(truth.square().sum())

    def scores_of(left_out: int | None) -> dict[str, float]:
        kept = wholes if left_out is None else tuple(w - p[left_out] for w, p in zip(wholes, parts, strict=True))
        own, of_control, of_unit = kept
        scores = {**_token_scores(own), **_gradient_scores(own, of_control, share, truth, size)}
        of_rloo = _gradient_scores(of_unit, of_control, _control_share(of_unit, of_control), truth, size)
        return {**scores, "noise_ratio": _ratio(scores["noise"], of_rloo["noise"])}

    every = [scores_of(index) for index in range(len(blocks))]
    estimates = {
        name: _jackknifed(value, [scores[name] for scores in every]) for name, value in scores_of(None).items()
    }
    return _readable(estimates)


def _token_scores(sums: Sums) -> dict[str, float]:
    counted, silent, right = sums.signs.tolist()
    return {
        "correlation": _correlation(sums.tokens, float(sums.tokens[3])),
        # A method that is constant along a response leaves rounding here, and no spread.
        "inside": _correlation(sums.inside, float(sums.tokens[3])),
        "sign": _ratio(right, counted - silent),
        "silent": _ratio(silent, counted),
    }


def _correlation(moments: Float[Tensor, "6"], scale: float) -> float:
    count, x, y, xx, yy, xy = map(float, moments)
    spread, true_spread = xx - x * x / count, yy - y * y / count
    if spread <= 1e-18 * scale or true_spread <= 1e-18 * count:
        return math.nan
    return (xy - x * y / count) / math.sqrt(spread * true_spread)


def _control_share(own: Sums, control: Sums) -> float:
    """Regression of the method's gradient on the control's: what to take out of it."""
    count = float(own.batches)
    shared = float(own.gradients[1]) - float(own.gradient @ control.gradient) / count
    spread = float(control.gradients[0]) - float(control.gradient @ control.gradient) / count
    return _ratio(shared, spread) if spread > 0 else 0.0


def _gradient_scores(own: Sums, control: Sums, share: float, truth: Tensor, size: float) -> dict[str, float]:
    """From z = g - share * control: E g = E z + share * grad J. Squares of means are freed of their own noise."""
    count = float(own.batches)
    squares, shared, on_truth, on_truth_squares, on_truth_shared = own.gradients.tolist()
    control_squares, _, control_on_truth, control_on_truth_squares, _ = control.gradients.tolist()

    z = own.gradient - share * control.gradient
    z_squares = squares - 2 * share * shared + share**2 * control_squares
    z_on_truth = on_truth - share * control_on_truth
    z_on_truth_squares = on_truth_squares - 2 * share * on_truth_shared + share**2 * control_on_truth_squares
    pairs = count * (count - 1)
    mean_square = (float(z @ z) - z_squares) / pairs
    along_square = (z_on_truth**2 - z_on_truth_squares) / pairs / size

    scale = z_on_truth / count / size + share
    across = mean_square - along_square
    off_scale = along_square + (2 * (share - 1) * z_on_truth / count) + (share - 1) ** 2 * size
    variance = (squares - float(own.gradient @ own.gradient) / count) / (count - 1)
    length = math.sqrt(max(scale**2 * size + across, 0.0))  # of E g
    return {
        "cosine": _ratio(scale * math.sqrt(size), length),
        "scale": scale,
        "bias_square": _ratio(across, scale**2 * size),
        "unscaled_bias_square": (across + off_scale) / size,
        "noise": _ratio(variance, scale**2 * size),
    }


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan


def _jackknifed(value: float, parts: list[float]) -> Estimate:
    if not all(map(math.isfinite, (value, *parts))):
        return UNDEFINED
    mean = sum(parts) / len(parts)
    spread = sum((part - mean) ** 2 for part in parts)
    return Estimate(value, math.sqrt((len(parts) - 1) / len(parts) * spread))


def _readable(estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Biases as roots; nothing divided by a scale that may be 0 or negative."""
    scale = estimates["scale"]
    is_along = scale.value is not None and scale.error is not None and scale.value > CERTAIN * scale.error
    found: dict[str, Estimate] = {
        **estimates,
        "bias": _root(estimates["bias_square"]) if is_along else UNDEFINED,
        "unscaled_bias": _root(estimates["unscaled_bias_square"]),
        "noise": estimates["noise"] if is_along else UNDEFINED,
        "noise_ratio": estimates["noise_ratio"] if is_along else UNDEFINED,
    }
    cosine = found["cosine"]
    if cosine.value is not None:
        # The squared length is estimated without bias, so noise can take it below what it must be.
        found["cosine"] = Estimate(max(-1.0, min(1.0, cosine.value)), cosine.error)
    return {name: found[name] for name in COLUMNS}


def _root(square: Estimate) -> Estimate:
    if square.value is None or square.error is None:
        return UNDEFINED
    value, floor = math.sqrt(max(square.value, 0.0)), math.sqrt(Z95 * square.error)
    return Estimate(value, square.error / (2 * value) if value > floor else None, floor)
