"""Responses without a score change nothing for those with one."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spro.credit import METHODS, TokenBatch
from spro.plugins.scored import assign_among
from tests.strategies import default_method, rows_of, token_batches


@pytest.mark.parametrize("name", METHODS)
@given(batch=token_batches(), seed=st.integers(0, 2**31))
def test_what_was_not_scored_is_as_if_it_were_not_there(name: str, batch: TokenBatch, seed: int) -> None:
    method = default_method(name)
    generator = torch.Generator().manual_seed(seed)
    is_scored = torch.rand(batch.shape[0], generator=generator) < 0.6
    others = torch.randn(batch.shape[0], generator=generator, dtype=torch.float64)
    told = replace(batch, outcome_rewards=torch.where(is_scored, batch.outcome_rewards, others))
    credit = assign_among(method, told, is_scored)
    assert not credit.advantages[~is_scored].any()
    if is_scored.any():
        alone = method.assign(rows_of(batch, is_scored.nonzero().squeeze(-1)))
        torch.testing.assert_close(credit.advantages[is_scored], alone.advantages, rtol=0, atol=0)
        assert credit.terms.keys() == alone.terms.keys()
        for term, values in alone.terms.items():
            torch.testing.assert_close(credit.terms[term][is_scored], values, rtol=0, atol=0)


def test_where_all_are_scored_nothing_changes() -> None:
    mask = torch.tensor([[True, True], [True, False]])
    batch = TokenBatch(mask, torch.tensor([0, 0]), torch.tensor([1.0, 0.0]))
    method = METHODS["grpo"]()
    torch.testing.assert_close(assign_among(method, batch, torch.ones(2, dtype=torch.bool)).advantages, method(batch))
