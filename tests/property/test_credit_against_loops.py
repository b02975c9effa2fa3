"""Credit methods against slow loops, in float64 to 1e-6, on random ragged batches."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spro.credit import GRPO, RLOO, SPRO, TokenBatch
from tests.strategies import token_batches
from tests.unit.credit import loops

TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}


def plain(batch: TokenBatch) -> tuple[list[float], list[int], loops.Mask]:
    return batch.outcome_rewards.tolist(), batch.group_ids.tolist(), batch.response_mask.tolist()


@given(token_batches())
def test_grpo(batch: TokenBatch) -> None:
    rewards, group_ids, mask = plain(batch)
    expected = torch.tensor(loops.grpo(rewards, group_ids, mask, 1e-6), dtype=torch.float64)
    torch.testing.assert_close(GRPO()(batch), expected, **TOLERANCE)


@given(token_batches())
def test_rloo(batch: TokenBatch) -> None:
    rewards, group_ids, mask = plain(batch)
    expected = torch.tensor(loops.rloo(rewards, group_ids, mask), dtype=torch.float64)
    torch.testing.assert_close(RLOO()(batch), expected, **TOLERANCE)


@settings(max_examples=300)
@given(token_batches(), st.floats(0.0, 2.0))
def test_spro(batch: TokenBatch, beta: float) -> None:
    rewards, group_ids, mask = plain(batch)
    old, ref = batch.old_log_probs.tolist(), batch.ref_log_probs.tolist()
    expected = loops.spro(rewards, old, ref, group_ids, mask, beta, 1e-6)
    actual = SPRO(beta=beta)(batch)
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64), **TOLERANCE)
