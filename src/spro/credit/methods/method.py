"""What a credit method is."""

from abc import ABC, abstractmethod
from dataclasses import MISSING, dataclass, fields
from functools import reduce
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spro.credit.batch import TokenBatch
from spro.credit.flows import whole_response

Scope = Literal["group", "batch"]
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

    def spread(self, mask: Bool[Tensor, "B T"]) -> dict[str, Float[Tensor, ""]]:
        """Standard deviations over the tokens, as metrics: of the advantages and of each term; NaN of no token."""
        parts = {"advantage": self.advantages, **self.terms}
        return {f"credit/{name}_std": values[mask].std(correction=0) for name, values in parts.items()}


class Method(ABC):
    """Credit assignment: a batch of sampled responses in, one advantage a token out.

    A subclass is a frozen dataclass. Its fields are its hyper-parameters, its docstring is its specification, its
    ``terms`` reads like its equation.
    """

    name: ClassVar[str]
    """The name by which configs and ``METHODS`` know the method."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Names of the optional tensors of ``TokenBatch`` that the method reads; the trainer makes these and no others."""

    scope: ClassVar[Scope] = "group"
    """From what a response's advantages are made: its own group, so that a batch may be cut between groups, or all."""

    @abstractmethod
    def terms(self, batch: TokenBatch) -> dict[str, Float[Tensor, "B T"]]:
        """The named summands of the advantage, for logs and pictures; each a new tensor, 0 off the mask."""

    @torch.no_grad()
    def returns(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """What a critic learns beside the method, if that needs ``values``: the outcome, at every token; 0 off them."""
        return whole_response(batch.outcome_rewards, batch.response_mask)

    @torch.no_grad()
    def assign(self, batch: TokenBatch) -> Credit:
        """Advantages and the terms that they are made of.

        Raises:
            BatchError: a tensor that the method needs is missing; names method and tensor.
        """
        terms = self.terms(batch)
        return Credit(advantages=reduce(torch.add, terms.values()), terms=terms)

    def __call__(self, batch: TokenBatch) -> Float[Tensor, "B T"]:
        """Advantages of the tokens, 0 where the response mask is False; raises as ``assign`` does."""
        return self.assign(batch).advantages

    @classmethod
    def hyper_parameters(cls) -> dict[str, Any]:
        """Names and defaults of the method's fields; ``REQUIRED`` in place of a default that there is none of."""
        return {
            field.name: REQUIRED if field.default is MISSING else field.default
            for field in fields(cls)  # type: ignore[arg-type]  # subclasses are dataclasses
        }
