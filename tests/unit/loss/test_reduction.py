"""Reductions: denominators, invariances, and parts that add up."""

import typing

import pytest
import torch

from spro.config import LossConfig
from spro.loss import REDUCTIONS, weighted_sum

MASK = torch.tensor([[True, True, True, False], [True, False, False, False]])


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("token-mean", 1 / 4, 1 / 4),
        ("token-sum", 1, 1),
        ("seq-mean-token-sum", 1 / 2, 1 / 2),
        ("seq-mean-token-mean", 1 / 6, 1 / 2),
        ("seq-mean-token-sum-norm", 1 / 20, 1 / 20),
    ],
)
def test_denominators(name: str, first: float, second: float) -> None:
    weights = REDUCTIONS[name](MASK, 10)
    assert weights[0].tolist() == pytest.approx([first, first, first, 0])
    assert weights[1].tolist() == pytest.approx([second, 0, 0, 0])


@pytest.mark.parametrize("name", REDUCTIONS)
def test_padding_changes_nothing(name: str) -> None:
    wide = torch.nn.functional.pad(MASK, (0, 3))
    assert torch.equal(REDUCTIONS[name](wide, 10)[:, :4], REDUCTIONS[name](MASK, 10))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_an_empty_response_is_no_division_by_zero(name: str) -> None:
    assert REDUCTIONS[name](torch.zeros(2, 3, dtype=torch.bool), 10).eq(0).all()


def test_a_value_of_weight_zero_is_never_read() -> None:
    values = torch.tensor([[1.0, float("nan")]], requires_grad=True)
    total = weighted_sum(values, torch.tensor([[2.0, 0.0]]))
    total.backward()
    assert total.item() == 2.0
    assert values.grad is not None
    assert values.grad.tolist() == [[2.0, 0.0]]


def test_the_config_offers_exactly_the_reductions_that_exist() -> None:
    offered = typing.get_args(LossConfig.model_fields["loss_reduction"].annotation)
    assert set(offered) == set(REDUCTIONS)
