"""How rewards travel: numbers by hand, and recurrences against their loops."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spro.credit import TokenBatch
from spro.credit.flows import (
    discounted_return,
    discounted_suffix_sum,
    generalized_advantage,
    pack,
    prefix_sum_,
    previous_value,
    soft_min_form,
    suffix_min,
    suffix_sum,
    unpack,
    whole_response,
)
from spro.credit.sources import at_step_ends
from tests.unit.credit.examples import bools, floats, for_random_batches, shares
from tests.unit.credit.loops import assert_matches, plain, prefix_sums, returns, written

# Four columns, of which a tool wrote the third.
MASK = bools([1, 1, 0, 1])
VALUES = floats([1, 2, 0, 4])


def test_sums_by_hand() -> None:
    assert prefix_sum_(VALUES.clone(), MASK).tolist() == [[1, 3, 0, 7]]
    assert suffix_sum(VALUES, MASK).tolist() == [[7, 6, 0, 4]]
    assert whole_response(floats(5.0), MASK).tolist() == [[5, 5, 0, 5]]


def test_whole_response_keeps_what_is_not_finite_on_the_mask() -> None:
    assert whole_response(floats(math.inf), MASK).tolist() == [[math.inf, math.inf, 0, math.inf]]


def test_discounted_return_by_hand() -> None:
    # Over the tool's token nothing is discounted: 4, then 2 + 4 / 2, then 1 + 4 / 2.
    assert discounted_return(VALUES, MASK, 0.5).tolist() == [[3, 4, 0, 4]]
    assert discounted_return(VALUES, MASK, 0.0).tolist() == VALUES.tolist()


def test_pack_and_unpack_by_hand() -> None:
    assert pack(floats([9, 1, math.nan, 2]), bools([0, 1, 0, 1])).tolist() == [[1, 2, 0, 0]]
    assert unpack(floats([1, 2, 9, 9]), bools([0, 1, 0, 1])).tolist() == [[0, 1, 0, 2]]


def test_previous_value_by_hand() -> None:
    assert previous_value(VALUES, MASK).tolist() == [[0, 1, 0, 2]]
    assert previous_value(floats([9, 1, 2, 9]), bools([0, 1, 1, 0])).tolist() == [[0, 0, 1, 0]]


def test_suffix_min_by_hand() -> None:
    # Rewards 3 and 5 are paid at the second and the last token; the 0 in between is none.
    is_paid = bools([0, 1, 0, 1])
    assert suffix_min(floats([0, 3, 0, 5]), is_paid, MASK).tolist() == [[3, 3, 0, 5]]
    assert suffix_min(floats([0, 5, 0, -3]), is_paid, MASK).tolist() == [[-3, -3, 0, -3]]
    assert suffix_min(floats([0, 3, 0, 0]), bools([0, 1, 0, 0]), MASK).tolist() == [[3, 3, 0, 0]]


def test_soft_min_form_by_hand() -> None:
    # At a temperature of 1 / ln 2 the weights are 1 / 2^r: 1, 1/2 and 1/4 of 7/4.
    values = floats([0, 1, 2, math.nan])
    transformed = soft_min_form(values, bools([1, 1, 1, 0]), 1 / math.log(2))
    torch.testing.assert_close(transformed, floats([0, 2 / 7, 2 / 7, 0]))


def test_soft_min_form_of_no_step_is_zero() -> None:
    assert soft_min_form(floats([math.nan]), bools([0]), 0.1).tolist() == [[0]]


@settings(max_examples=100)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=60), st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)))
def test_discounted_suffix_sum_against_its_loop(row: list[float], gamma: float) -> None:
    expected, following = [], 0.0
    for value in reversed(row):
        following = value + gamma * following
        expected.insert(0, following)
    assert_matches(discounted_suffix_sum(floats(row), gamma), [expected])


def test_powers_that_underflow_do_no_harm() -> None:
    sums = discounted_suffix_sum(torch.ones(1, 5000), 0.5)
    torch.testing.assert_close(sums[:, :4900], torch.full((1, 4900), 2.0))
    assert sums[0, -1] == 1


@for_random_batches(shares)
def test_returns_against_their_loops(batch: TokenBatch, gamma: float) -> None:
    p, mask = plain(batch), batch.response_mask
    cleared = batch.values.masked_fill(~mask, 0.0)
    assert_matches(discounted_return(cleared, mask, gamma), returns(p.values, p.response_mask, gamma))
    assert_matches(suffix_sum(cleared, mask), returns(p.values, p.response_mask))
    assert_matches(prefix_sum_(cleared, mask), prefix_sums(p.values, p.response_mask))


@for_random_batches()
def test_neighbours_against_their_loop(batch: TokenBatch) -> None:
    p, mask = plain(batch), batch.response_mask
    earlier = [[0.0] * batch.shape[1] for _ in p.values]
    for i, here in enumerate(p.response_mask):
        for before, after in zip(written(here), written(here)[1:], strict=False):
            earlier[i][after] = p.values[i][before]
    assert_matches(previous_value(batch.values, mask), earlier)
    assert torch.equal(unpack(pack(batch.values, mask), mask), batch.values.masked_fill(~mask, 0.0))


@for_random_batches()
def test_steps_that_are_all_good_never_give_a_return_below_zero(batch: TokenBatch) -> None:
    # In branch verl of PURE, where the slots between step ends hold 0, none could be above it.
    rewards, mask = batch.step_rewards.abs() + 0.1, batch.response_mask
    paid = at_step_ends(rewards, batch.step_mask, batch.step_ids, mask)
    smallest = suffix_min(paid, paid > 0, mask)
    to_come = (paid > 0).flip(1).cumsum(dim=1).flip(1) > 0
    assert torch.equal(smallest > 0, to_come & mask)


def test_a_discounted_return_is_not_rounded_by_autocast() -> None:
    rewards = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    ones, mask = torch.ones_like(rewards), torch.ones(3, 50, dtype=torch.bool)
    expected = discounted_return(rewards, mask, 0.97), generalized_advantage(rewards, ones, mask, 0.97, 0.9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = discounted_return(rewards, mask, 0.97), generalized_advantage(rewards, ones, mask, 0.97, 0.9)
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
