"""Running sums over sampled batches, from which every score and its error is computed.

Axis legend: N batches, B responses, T positions, M tokens, D entries of the policy's table.
"""

from dataclasses import dataclass, fields
from functools import reduce
from operator import add

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ADVANTAGE_TOLERANCE = 0.01
"""Tokens whose true advantage is smaller have no sign worth asking for; in units of reward."""
SILENT = 1e-9
"""An advantage this small says nothing."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over batches of what one method said.

    Attributes:
        batches: how many.
        gradient: of the batches' gradients.
        gradients: of |g|^2, g.c, d, d^2, d e: g the method's gradient, c the control's, d and e their products with
            the exact gradient.
        tokens: of 1, x, y, x^2, y^2, x y over tokens: x the method's advantage, y the true one.
        inside: the same, x and y centered on their mean over the response.
        signs: over tokens with a true advantage that counts: how many, how many the method is silent on, how many it
            gives the right sign.
    """

    batches: Float[Tensor, ""]
    gradient: Float[Tensor, " D"]
    gradients: Float[Tensor, "5"]
    tokens: Float[Tensor, "6"]
    inside: Float[Tensor, "6"]
    signs: Float[Tensor, "3"]

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(**{f.name: getattr(self, f.name) - getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, eq=False)
class BlockTruth:
    """The truth of a block of batches, against which every method is held.

    Attributes:
        mask: of the tokens.
        advantages: exact, 0 off the mask.
        gradient: exact.
        control: gradients of the batches by r_i - V(s_0), whose expectation is ``gradient``.
    """

    mask: Bool[Tensor, "N B T"]
    advantages: Float[Tensor, "N B T"]
    gradient: Float[Tensor, " D"]
    control: Float[Tensor, "N D"]


def sums_of(truth: BlockTruth, advantages: Float[Tensor, "N B T"], gradients: Float[Tensor, "N D"]) -> Sums:
    """The sums of a block of batches."""
    mask = truth.mask
    on_truth, control_on_truth = gradients @ truth.gradient, truth.control @ truth.gradient
    products = (
        gradients.square().sum(),
        (gradients * truth.control).sum(),
        on_truth.sum(),
        on_truth.square().sum(),
        (on_truth * control_on_truth).sum(),
    )
    said, true = advantages[mask], truth.advantages[mask]
    counts = true.abs() > ADVANTAGE_TOLERANCE
    is_silent = said.abs() <= SILENT
    agrees = (said.sign() == true.sign()) & ~is_silent
    return Sums(
        batches=torch.tensor(float(len(mask)), dtype=torch.float64),
        gradient=gradients.sum(dim=0),
        gradients=torch.stack(products),
        tokens=_moments(said, true),
        inside=_moments(_centered(advantages, mask)[mask], _centered(truth.advantages, mask)[mask]),
        signs=torch.stack([counts.sum(), (counts & is_silent).sum(), (counts & agrees).sum()]).double(),
    )


def total(blocks: list[Sums]) -> Sums:
    """The sums of all blocks."""
    return reduce(add, blocks)


def _centered(values: Float[Tensor, "N B T"], mask: Bool[Tensor, "N B T"]) -> Float[Tensor, "N B T"]:
    mean = values.sum(dim=-1, keepdim=True) / mask.sum(dim=-1, keepdim=True)
    return values - mean


def _moments(x: Float[Tensor, " M"], y: Float[Tensor, " M"]) -> Float[Tensor, "6"]:
    return torch.stack([torch.ones_like(x).sum(), x.sum(), y.sum(), x.square().sum(), y.square().sum(), (x * y).sum()])
