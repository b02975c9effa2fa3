"""Rollout and verify joined: order, unscored responses, seeds; and the order of the data."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice

import pytest

from spro.errors import RewardError, TrainingError
from spro.models import load_policy
from spro.rollout import EmbeddedEngine, Sampling
from spro.tasks import Prompt, encode_prompts
from spro.tasks.chain import load_chain
from spro.train.order import PromptOrder
from spro.train.sampling import check_enough_graded, derive_seed, drop_unscored, sample_groups, unscored_share
from spro.verify import Status, Verdict, verify_chain
from tests.unit.train.builders import make_group, make_judge, make_prompt


def test_verdicts_belong_to_their_responses() -> None:
    policy = load_policy("builtin:chain", "cpu")
    data = load_chain(0, 12, 0, 3, 4)
    prompts = encode_prompts(policy.tokenizer, data.train, 32, data.report)
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 64)
    groups = sample_groups(engine, make_judge(policy.tokenizer), prompts, Sampling(4, 96, 1.0), seed=5)
    assert [group.prompt for group in groups] == list(prompts)
    statuses = Counter(verdict.status for group in groups for verdict in group.verdicts)
    assert statuses[Status.CORRECT] > 3
    assert statuses[Status.WRONG] > 3
    for group in groups:
        for text, verdict in zip(group.texts, group.verdicts, strict=True):
            assert verdict == verify_chain(text, group.prompt.problem.ground_truth)


def test_a_reward_of_nan_is_an_error_that_names_the_verifier() -> None:
    def broken(response: str, ground_truth: str) -> Verdict:
        return Verdict(float("nan"), Status.PARTIAL)

    policy = load_policy("builtin:chain", "cpu")
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 64)
    prompt = make_prompt(0)
    problem = type(prompt.problem)("p", prompt.problem.messages, "1", "broken", "test")
    judge = make_judge(policy.tokenizer, broken=broken)
    with pytest.raises(RewardError, match=r"'broken'.*nan"):
        sample_groups(engine, judge, [type(prompt)(problem, (5, 6))], Sampling(2, 4, 1.0), seed=0)


def test_failed_is_not_wrong_it_leaves_the_batch() -> None:
    groups = [make_group(0, [1.0, None]), make_group(1, [None, None]), make_group(2, [0.0, 1.0])]
    assert unscored_share(groups) == 0.5
    kept = drop_unscored(groups)
    assert [(g.prompt.problem.problem_id, g.scores) for g in kept] == [("p0", (1.0,)), ("p2", (0.0, 1.0))]


@pytest.mark.parametrize(("lost", "max_share"), [(2, 0.5), (3, 0.5), (3, 1.0), (1, 0.0)])
def test_too_much_that_could_not_be_graded_stops_the_run_with_the_reason(lost: int, max_share: float) -> None:
    unscored = make_group(0, [None] * lost).unscored
    with pytest.raises(TrainingError) as caught:
        check_enough_graded(lost, 3, max_share, "answers could not be graded", unscored)
    assert str(caught.value) == (
        f"{lost / 3:.0%} of the answers could not be graded, more than verify.max_unscored_share = {max_share:.0%}; "
        "the first: the worker died"
    )


@pytest.mark.parametrize(("lost", "max_share"), [(0, 0.0), (2, 0.5), (3, 1.0)])
def test_up_to_the_limit_it_goes_on(lost: int, max_share: float) -> None:
    check_enough_graded(lost, 4, max_share, "answers could not be graded", make_group(0, [None] * lost).unscored)


def ids(prompts: Iterable[tuple[int, Prompt]]) -> list[str]:
    return [prompt.problem.problem_id for _, prompt in prompts]


def test_a_pass_draws_every_prompt_once_and_the_next_pass_in_another_order() -> None:
    order = PromptOrder([make_prompt(i) for i in range(10)], seed=1)
    drawn = [name for step in range(4) for name in ids(islice(order.step(5 * step), 5))]
    assert set(drawn[:10]) == set(drawn[10:]) == {f"p{i}" for i in range(10)}
    assert drawn[:10] != drawn[10:]


@pytest.mark.parametrize("cursor", range(0, 41, 3))
def test_a_step_draws_no_prompt_twice_wherever_it_begins(cursor: int) -> None:
    order = PromptOrder([make_prompt(i) for i in range(20)], seed=0)
    drawn = list(order.step(cursor))
    assert sorted(ids(drawn)) == sorted(f"p{i}" for i in range(20)), "and every one once, if it goes on to the end"
    for behind, prompt in drawn:
        assert ids(order.step(behind - 1))[0] == prompt.problem.problem_id, "each stands at the position it names"


def test_steps_that_go_over_into_the_next_pass_go_on_where_they_stopped() -> None:
    """20 prompts, 12 a step: drawn by position alone, 75 of 200 steps would have a prompt twice."""
    order = PromptOrder([make_prompt(i) for i in range(20)], seed=0)
    cursor, skipped = 0, 0
    for _ in range(200):
        drawn = list(islice(order.step(cursor), 12))
        assert len(set(ids(drawn))) == 12
        positions = [behind for behind, _ in drawn]
        assert positions == sorted(positions)
        skipped += positions[-1] - cursor - 12
        cursor = positions[-1]
    assert skipped > 50


def test_what_a_step_draws_is_a_pure_function_of_seed_and_position() -> None:
    prompts = [make_prompt(i) for i in range(7)]
    assert list(PromptOrder(prompts, 1).step(9)) == list(PromptOrder(prompts, 1).step(9))
    assert list(PromptOrder(prompts, 1).step(9)) != list(PromptOrder(prompts, 2).step(9))


def test_seeds_differ_by_purpose_and_are_stable() -> None:
    assert derive_seed(0, 1) == derive_seed(0, 1)
    assert len({derive_seed(s, p) for s in range(3) for p in (1, 2, "held-out")}) == 9
