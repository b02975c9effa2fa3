"""DAPO's penalty on length: its published numbers, and that the filter never sees it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.train.filter import UnequalScores
from spro.train.reward import OverlongPenalty
from tests.models import tiny_model
from tests.unit.train.builders import make_group, make_judge, make_prompt, make_scorer


class Hashes:
    """A tokenizer of which every response is the right answer."""

    def decode(self, token_ids: Sequence[int], skip_special_tokens: bool) -> str:
        return "#1"


DAPO = OverlongPenalty(limit=20480, buffer=4096)


@pytest.mark.parametrize(("length", "penalty"), [(1, 0.0), (16384, 0.0), (17408, -0.25), (18432, -0.5), (20480, -1.0)])
def test_the_papers_numbers(length: int, penalty: float) -> None:
    assert DAPO(length) == penalty
    assert OverlongPenalty(20480, 4096, 0.5)(length) == 0.5 * penalty


@given(st.integers(1, 99), st.data())
def test_it_falls_from_nothing_to_the_factor(limit: int, data: st.DataObject) -> None:
    buffer = data.draw(st.integers(0, limit))
    penalties = [OverlongPenalty(limit, buffer, 2.0)(length) for length in range(limit + 1)]
    assert penalties == sorted(penalties, reverse=True)
    assert not any(penalties[: limit - buffer + 1])
    assert penalties[-1] == (-2.0 if buffer else 0.0)


def test_it_is_part_of_the_reward_and_not_of_the_score() -> None:
    judge = make_judge(Hashes(), OverlongPenalty(limit=8, buffer=4))
    lengths = [4, 6, 8]
    judged = judge([(make_prompt(0), [1] * length) for length in lengths])
    assert [(one.verdict.score, one.reward) for one in judged] == [(1.0, 1.0), (1.0, 0.5), (1.0, 0.0)]
    group = replace(make_group(0, [1.0, 1.0, 1.0], lengths), judged=tuple(judged))
    rewards = make_scorer(tiny_model("qwen2"), frozenset()).score([group], 0).batch.outcome_rewards
    assert rewards.tolist() == [1.0, 0.5, 0.0]
    assert not UnequalScores().passes(group)
