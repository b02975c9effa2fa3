"""Holm's correction by numbers worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import StatisticsError
from spro.statistics import holm


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        # 3 x 0.01; 2 x 0.03; max(0.06, 1 x 0.04)
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        # 4 x 0.3 is above 1, and so are all behind it
        ([0.9, 0.3, 0.5, 0.4], [1.0, 1.0, 1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_by_hand(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_it_rejects_step_by_step_and_between_nothing_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    rejected = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - step) >= 0.05:
            break
        rejected.add(index)
    assert {index for index, value in enumerate(adjusted) if value < 0.05} == rejected
    for p, value in zip(p_values, adjusted, strict=True):
        assert p <= value <= min(1, p * len(p_values)) + 1e-12


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(wrong: float) -> None:
    with pytest.raises(StatisticsError, match="p-value 1 is"):
        holm([0.5, wrong])
