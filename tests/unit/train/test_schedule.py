"""The share of the learning rate, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.train.schedule import Schedule


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        (Schedule(4), [1.0, 0.853553, 0.5, 0.146447, 0.0, 0.0, 0.0]),
        (Schedule(4, warmup_steps=2), [0.5, 1.0, 1.0, 0.5, 0.0, 0.0]),
        (Schedule(5, warmup_steps=4), [0.25, 0.5, 0.75, 1.0, 1.0, 0.0, 0.0]),
        (Schedule(4, hold_steps=2), [0.0, 0.0, 1.0, 0.5, 0.0]),
        (Schedule(7, warmup_steps=2, hold_steps=1), [0.0, 0.5, 1.0, 1.0, 0.853553, 0.5, 0.146447, 0.0, 0.0]),
        (Schedule(3, decay="constant"), [1.0, 1.0, 1.0, 1.0, 1.0]),
        (Schedule(3, warmup_steps=2, decay="constant"), [0.5, 1.0, 1.0, 1.0]),
        (Schedule(9, warmup_steps=2, decay="constant", hold_steps=2), [0.0, 0.0, 0.5, 1.0, 1.0, 1.0]),
        (Schedule(2, warmup_steps=2), [0.5, 1.0, 1.0, 0.0]),
        (Schedule(1), [1.0, 0.0]),
    ],
)
def test_the_share_at_each_step(schedule: Schedule, shares: list[float]) -> None:
    assert [schedule(step) for step in range(len(shares))] == pytest.approx(shares, abs=1e-6)


@given(st.integers(1, 30), st.integers(0, 9), st.integers(0, 9), st.sampled_from(["cosine", "constant"]))
def test_it_stays_between_0_and_1_and_falls_once_it_has_risen(steps: int, warmup: int, hold: int, decay: str) -> None:
    shares = [Schedule(steps, warmup, decay, hold)(step) for step in range(steps + 25)]
    assert all(0 <= share <= 1 for share in shares)
    assert max(shares) == 1
    top = hold + warmup
    assert shares[:top] == sorted(shares[:top])
    assert shares[top:] == sorted(shares[top:], reverse=True)
    assert all(share == 0 for share in shares[:hold])
    assert all(share > 0 for share in shares[hold:top])
