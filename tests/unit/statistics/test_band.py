"""Bands of learning curves over seeds."""

import numpy as np
import pytest

from spro.errors import StatisticsError
from spro.statistics import Band, seed_band
from spro.statistics.resampling import widening


def test_one_seed_has_no_width() -> None:
    assert seed_band(np.array([[0.1, 0.4]])) == Band((0.1, 0.4), (0.1, 0.4), (0.1, 0.4))


def test_three_seeds_by_hand() -> None:
    # A resample is the lowest seed three times in 1 of 27 cases, which is above 2.5 %: the percentiles are the range.
    band = seed_band(np.array([[1.0], [2.0], [4.0]]))
    factor = np.sqrt(3 / 2) * 4.302653 / 1.959964
    assert widening(3) == pytest.approx(factor, rel=1e-6)
    assert band.mean == pytest.approx((7 / 3,))
    assert band.low == pytest.approx((7 / 3 - factor * 4 / 3,), rel=1e-6)
    assert band.high == pytest.approx((7 / 3 + factor * 5 / 3,), rel=1e-6)


def test_many_seeds_come_to_the_normal_law() -> None:
    curves = np.random.default_rng(0).normal(size=(400, 1))
    band = seed_band(curves)
    half = 1.96 * curves.std(ddof=1) / 20
    assert (band.mean[0] - band.low[0], band.high[0] - band.mean[0]) == pytest.approx((half, half), rel=0.06)


def test_the_same_seed_gives_the_same_band_in_any_unit() -> None:
    curves = np.random.default_rng(0).random((4, 5))
    band = seed_band(curves, seed=3)
    assert seed_band(curves, seed=3) == band
    scaled = seed_band(100 * curves + 7, seed=3)
    assert scaled.low == pytest.approx([100 * value + 7 for value in band.low])
    assert all(low < mean < high for low, mean, high in zip(band.low, band.mean, band.high, strict=True))


def test_where_all_seeds_agree_the_band_is_a_line() -> None:
    band = seed_band(np.full((5, 2), 0.25))
    assert band == Band((0.25, 0.25), (0.25, 0.25), (0.25, 0.25))


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        (np.zeros(3), r"shape \(3,\); they must be \[seeds, places\]"),
        (np.zeros((0, 3)), "one seed at least"),
        (np.array([[0.0, 1.0], [0.0, np.nan]]), "curves: seed 1, place 1 is nan"),
    ],
)
def test_what_is_no_table_of_curves_is_refused(curves: np.ndarray, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        seed_band(curves)
