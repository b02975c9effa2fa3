"""What a credit method is."""

import math
from abc import ABC, abstractmethod
from dataclasses import MISSING, dataclass, fields
from functools import reduce
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from spro.credit.batch import TokenBatch
from spro.errors import BatchError

REQUIRED = "required"
"""Stands in ``hyper_parameters`` for the default of a field that has none."""


@dataclass(frozen=True, eq=False)
class Credit:
    """What a method says of a batch.

    Attributes:
        advantages: one a token, 0 where the response mask is False.
        terms: the named summands, for logs and pictures.
    """

    advantages: Float[Tensor, "B T"]
    terms: dict[str, Float[Tensor, "B T"]]


def check_finite(**hyper_parameters: float) -> None:
    """Refuse values that are not finite, by name."""
    for name, value in hyper_parameters.items():
        if not math.isfinite(value):
            raise BatchError(f"{name} is {value}; it must be finite")


def check_at_least_zero(**hyper_parameters: float) -> None:
    """Refuse values that are negative or not finite, by name."""
    for name, value in hyper_parameters.items():
        if not (math.isfinite(value) and value >= 0):
            raise BatchError(f"{name} is {value}; it must be finite and at least 0")


def check_above_zero(**hyper_parameters: float | int) -> None:
    """Refuse values that are not above zero or not finite, by name."""
    for name, value in hyper_parameters.items():
        if not (math.isfinite(value) and value > 0):
            raise BatchError(f"{name} is {value}; it must be finite and above 0")


def check_share(**hyper_parameters: float) -> None:
    """Refuse values outside [0, 1], by name."""
    for name, value in hyper_parameters.items():
        if not 0 <= value <= 1:
            raise BatchError(f"{name} is {value}; it must lie in [0, 1]")


class Method(ABC):
    """Credit assignment: a batch of sampled responses in, one advantage a token out.

    A subclass is a frozen dataclass. Its fields are its hyper-parameters, its docstring is its specification, its
    ``terms`` reads like its equation.
    """

    name: ClassVar[str]
    """The name by which configs and ``METHODS`` know the method."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Names of the optional tensors of ``TokenBatch`` that the method reads; the trainer makes these and no others."""

    @abstractmethod
    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The named summands of the advantage, for logs and pictures; each a new tensor, 0 off the mask."""

    @torch.no_grad()
    def assign(self, batch: TokenBatch) -> Credit:
        """Advantages and the terms that they are made of.

        Raises:
            BatchError: a tensor that the method needs is missing; names method and tensor.
        """
        self._check_needs(batch)
        terms = self.terms(batch)
        return Credit(advantages=reduce(torch.add, terms.values()), terms=terms)

    @torch.no_grad()
    def __call__(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Advantages of the tokens, 0 where the response mask is False; raises as ``assign`` does.

        The terms are added up in the first one's memory, so this takes less of it than ``assign``.
        """
        self._check_needs(batch)
        return reduce(Tensor.add_, self.terms(batch).values())

    def _check_needs(self, batch: TokenBatch) -> None:
        for tensor in sorted(self.needs):
            batch.require(tensor, self.name)

    @classmethod
    def hyper_parameters(cls) -> dict[str, Any]:
        """Names and defaults of the method's fields; ``REQUIRED`` in place of a default that there is none of."""
        return {
            field.name: REQUIRED if field.default is MISSING else field.default
            for field in fields(cls)  # type: ignore[arg-type]  # subclasses are dataclasses
        }
