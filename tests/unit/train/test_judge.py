"""Rewards: score, reward functions and the price of length put together; failures stay failures."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from spro.errors import RewardError
from spro.settings import load_config
from spro.train.grading import Grading
from spro.train.judge import Judge, WeightedFunction
from spro.train.metrics import rollout_metrics
from spro.train.reward import OverlongPenalty
from spro.verify import FunctionSource, RewardFunction, Status, Verdict
from tests.unit.train.builders import make_group, make_judge, make_prompt

HERE = "tests.unit.train.test_judge"


def as_score(completions, score, **columns):  # type: ignore[no-untyped-def]
    return [None if text[0]["content"] == "#2" else 10 * given for text, given in zip(completions, score, strict=True)]


def with_columns(completions, problem_id, data_source, level, **columns):  # type: ignore[no-untyped-def]
    assert data_source == ["test"] * len(completions)
    return [level_ + int(name[1:]) for level_, name in zip(level, problem_id, strict=True)]


def failing(completions, **columns):  # type: ignore[no-untyped-def]
    raise ConnectionError("no judge at the other end")


class Letters:
    """Token 1 is the right answer, 2 and others are wrong; 9 cannot be graded."""

    def decode(self, token_ids: Sequence[int], skip_special_tokens: bool) -> str:
        return f"#{token_ids[0]}"


def verify(response: str, ground_truth: str) -> Verdict:
    if response == "#9":
        return Verdict(None, Status.UNSCORED, detail="nine")
    return Verdict(1.0, Status.CORRECT) if response == "#1" else Verdict(0.0, Status.WRONG)


@pytest.fixture
def judge() -> Iterator[Judge]:
    judge = make_judge(Letters(), OverlongPenalty(limit=4, buffer=2), chain=verify)
    yield judge
    for weighted in judge.functions:
        weighted.function.close()


def with_functions(judge: Judge, *functions: tuple[str, float]) -> Judge:
    made = tuple(
        WeightedFunction(
            name,
            RewardFunction(FunctionSource(f"{HERE}.{name}", timeout_s=600.0), ["problem_id", "data_source", "score"]),
            weight,
        )
        for name, weight in functions
    )
    return replace(judge, functions=made)


WRITTEN = [(make_prompt(3), tokens) for tokens in ([1], [1, 0, 0, 0], [3], [2], [9])]


def test_score_and_length(judge: Judge) -> None:
    judged = judge(WRITTEN)
    assert [one.text for one in judged] == ["#1", "#1", "#3", "#2", "#9"]
    assert [one.verdict.score for one in judged] == [1.0, 1.0, 0.0, 0.0, None]
    assert [one.reward for one in judged] == [1.0, 0.0, 0.0, 0.0, None]


def test_functions_add_their_weighted_number_and_see_the_score(judge: Judge) -> None:
    full = with_functions(judge, ("as_score", 0.5), ("as_score", -0.1))
    judged = full(WRITTEN)
    assert [one.reward for one in judged] == [pytest.approx(1 + 5 - 1), pytest.approx(0 + 5 - 1), 0.0, 0.0, None]
    assert [one.verdict for one in judged] == [one.verdict for one in judge(WRITTEN)], "the filter sees scores alone"
    assert full.of_scores_alone.functions == ()
    for weighted in full.functions:
        weighted.function.close()


def test_columns_of_the_data(judge: Judge) -> None:
    prompt = make_prompt(3)
    prompt = replace(prompt, problem=replace(prompt.problem, columns={"level": 5}))
    full = with_functions(judge, ("with_columns", 1.0))
    assert [one.reward for one in full([(prompt, [3]), (prompt, [1])])] == [8.0, 9.0]
    full.functions[0].function.close()


def test_a_function_that_fails_takes_the_score_with_it(judge: Judge) -> None:
    full = with_functions(judge, ("failing", 1.0))
    judged = full(WRITTEN)
    assert {one.verdict.status for one in judged} == {Status.UNSCORED}
    assert {one.reward for one in judged} == {None}
    assert "no judge at the other end" in judged[0].verdict.detail
    assert judged[-1].verdict.detail == "nine"
    full.functions[0].function.close()


def test_a_function_in_the_verifiers_place() -> None:
    config = load_config(None, [f"verify.function={{path: {HERE}.verdict, columns: {{gold: ground_truth}}}}"])
    with Grading(config) as grading:
        assert grading.prepare({"chain"}) == [f"reward function {HERE}.verdict"]
        assert grading.problem_with("code", "no tests at all") == "", "the function judges whatever there is"
        judged = grading.judge(Letters())(WRITTEN)  # type: ignore[arg-type]
    assert [one.reward for one in judged] == [0.25, 0.25, 0.25, 0.25, 0.25]


def verdict(completions, gold, **columns):  # type: ignore[no-untyped-def]
    return [0.25 if given == "1" else 0.0 for given in gold]


def test_the_columns_that_are_read_from_the_data() -> None:
    functions = "[{path: a.b, columns: {solution: ground_truth, hard: level}}, {path: a.c, columns: {x: source}}]"
    with Grading(load_config(None, [f"reward.functions={functions}"])) as grading:
        assert grading.columns == {"level", "source"}


def test_what_each_function_said_is_kept_and_its_mean_logged(judge: Judge) -> None:
    full = with_functions(judge, ("as_score", 0.5))
    judged = full(WRITTEN)
    assert [one.parts for one in judged] == [{"as_score": n} for n in (10.0, 10.0, 0.0, None)] + [{}]
    group = make_group(0, [0.0] * 5)
    metrics = rollout_metrics([replace(group, judged=tuple(judged))])
    assert metrics["rewards/as_score/mean"] == pytest.approx(20 / 3)
    full.functions[0].function.close()


def test_two_functions_of_one_name_are_told_apart() -> None:
    functions = "[{path: a.length}, {path: b.length}, {path: b.width}]"
    with Grading(load_config(None, [f"reward.functions={functions}"])) as grading:
        judge = grading.judge(Letters())  # type: ignore[arg-type]
        assert [weighted.name for weighted in judge.functions] == ["length", "length#2", "width"]


def test_a_reward_that_is_no_number_is_refused(judge: Judge) -> None:
    full = with_functions(judge, ("as_score", 1e308))
    with pytest.raises(RewardError, match="the reward of a response is inf, with 10"):
        full(WRITTEN)
    full.functions[0].function.close()
