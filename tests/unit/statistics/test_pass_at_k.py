"""pass@k against all subsets written out."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import StatisticsError
from spro.statistics import average_score, pass_at_k

CORRECT = st.lists(st.lists(st.booleans(), min_size=3, max_size=8), min_size=1, max_size=12)


@given(CORRECT, st.integers(1, 3))
def test_against_all_subsets(correct: list[list[bool]], k: int) -> None:
    each = []
    for samples in correct:
        subsets = list(combinations(samples, k))
        each.append(sum(any(subset) for subset in subsets) / len(subsets))
    found = pass_at_k(correct, k)
    assert found.value == pytest.approx(sum(each) / len(each))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == len(correct)


@given(CORRECT)
def test_pass_at_one_is_the_average(correct: list[list[bool]]) -> None:
    one, average = pass_at_k(correct, 1), average_score(correct)
    for field in ("value", "se", "low", "high", "n"):
        assert getattr(one, field) == pytest.approx(getattr(average, field), abs=1e-9)


@given(CORRECT)
def test_more_tries_never_lower_it(correct: list[list[bool]]) -> None:
    values = [pass_at_k(correct, k).value for k in (1, 2, 3)]
    assert values == pytest.approx(sorted(values))


def test_thousands_of_samples_do_not_overflow() -> None:
    samples = [True] * 100 + [False] * 9900
    # 1 - C(9900, 100) / C(10000, 100), by logarithms of factorials.
    assert pass_at_k([samples], 100).value == pytest.approx(0.6358, abs=1e-4)
    assert pass_at_k([[True] + [False] * 9999], 10_000).value == 1.0


@pytest.mark.parametrize(
    ("correct", "k", "message"),
    [
        ([[True]], 0, "pass@k: k is 0"),
        ([], 1, "there is no problem"),
        ([[True] * 4, [True] * 3], 4, "pass@4: problem 1 has 3 samples; draw at least 4"),
        ([[0.5, 1.0]], 1, "pass@1: problem 0 has a sample of 0.5"),
        ([[True], [0.5, 0.5]], 1, "pass@1: problem 1 has a sample of 0.5"),
        ([[float("nan")]], 1, "pass@1: problem 0 has a sample of nan"),
    ],
)
def test_what_it_cannot_count_is_refused(correct: list[list[bool]], k: int, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        pass_at_k(correct, k)
