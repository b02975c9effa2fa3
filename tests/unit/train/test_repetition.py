import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.rollout import FinishReason, Response
from spro.tasks import Message, Problem, Prompt
from spro.train.group import Group
from spro.train.repetition import NGRAM, repetition, repetition_metrics

PROMPT = Prompt(Problem("p0", (Message(role="user", content="?"),), "1", "chain", "test"), (5, 6))


def slow_repetition(token_ids: list[int], n: int) -> float:
    """Looks at every earlier n-gram in turn."""
    grams = [token_ids[i : i + n] for i in range(len(token_ids) - n + 1)]
    repeated = sum(any(grams[i] == grams[j] for j in range(i)) for i in range(len(grams)))
    return repeated / len(grams) if grams else 0.0


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 6))
def test_it_is_the_share_of_ngrams_that_occurred_before(token_ids: list[int], n: int) -> None:
    assert repetition(token_ids, n) == pytest.approx(slow_repetition(token_ids, n), abs=1e-12)


@pytest.mark.parametrize(
    ("token_ids", "n", "expected"),
    [
        ([], 1, 0.0),
        ([7], 1, 0.0),
        ([7, 7], 1, 0.5),
        ([1, 2, 3], 4, 0.0),
        ([1, 2, 1, 2, 1, 2], 2, 3 / 5),
        ([5] * 101, 2, 99 / 100),
        (list(range(50)), 3, 0.0),
    ],
)
def test_known_values(token_ids: list[int], n: int, expected: float) -> None:
    assert repetition(token_ids, n) == pytest.approx(expected)
    assert repetition(tuple(token_ids), n) == pytest.approx(expected)


def test_a_long_response_takes_no_quadratic_time() -> None:
    start = time.process_time()
    assert repetition(list(range(200_000)), NGRAM) == 0.0
    # Comparing all pairs would take hours.
    assert time.process_time() - start < 120


def make_group(*responses: tuple[int, ...]) -> Group:
    said = tuple(Response(token_ids, (-1.0,) * len(token_ids), FinishReason.STOP) for token_ids in responses)
    return Group(PROMPT, said, ())


def test_a_step_logs_the_mean_over_the_responses_of_all_groups() -> None:
    loop, plain = (4,) * (NGRAM + 3), tuple(range(NGRAM + 3))
    # 4 n-grams, 3 of them again; the other three responses repeat nothing.
    metrics = repetition_metrics([make_group(loop, plain), make_group((), plain)])
    assert metrics == {"response/repeated_ngrams": pytest.approx(3 / 4 / 4)}


def test_no_response_measures_nothing() -> None:
    assert repetition_metrics([]) == {"response/repeated_ngrams": None}
