"""Rollout and verify joined: order, unscored responses, seeds; and the order of the data."""

from collections import Counter

import pytest

from spro.errors import RewardError, TrainingError
from spro.models import load_policy
from spro.rollout import EmbeddedEngine, Sampling
from spro.tasks import encode_prompts
from spro.tasks.chain import load_chain
from spro.train.order import PromptOrder
from spro.train.sampling import derive_seed, drop_unscored, sample_groups, unscored_share
from spro.verify import Grader, Status, Verdict, verify_chain
from tests.unit.train.builders import make_group, make_prompt


def test_verdicts_belong_to_their_responses() -> None:
    policy = load_policy("builtin:chain", "cpu")
    data = load_chain(0, 12, 0, 3, 4)
    prompts = encode_prompts(policy.tokenizer, data.train, 32, data.report)
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 64)
    with Grader() as grader:
        groups = sample_groups(engine, grader, policy.tokenizer, prompts, Sampling(4, 96, 1.0), seed=5)
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
    with Grader(extra={"broken": broken}) as grader, pytest.raises(RewardError, match=r"'broken'.*nan"):
        sample_groups(engine, grader, policy.tokenizer, [type(prompt)(problem, (5, 6))], Sampling(2, 4, 1.0), seed=0)


def test_failed_is_not_wrong_it_leaves_the_batch() -> None:
    groups = [make_group(0, [1.0, None]), make_group(1, [None, None]), make_group(2, [0.0, 1.0])]
    assert unscored_share(groups) == 0.5
    kept = drop_unscored(groups, max_share=0.5)
    assert [(g.prompt.problem.problem_id, g.scores) for g in kept] == [("p0", (1.0,)), ("p2", (0.0, 1.0))]


@pytest.mark.parametrize("scores", [[1.0, None, None], [None, None, None]])
def test_too_many_unscored_stop_the_run_with_the_reason(scores: list[float | None]) -> None:
    with pytest.raises(TrainingError, match=r"could not be graded.*max_unscored_share = 50%.*the worker died"):
        drop_unscored([make_group(0, scores)], max_share=0.5)


def test_all_unscored_stops_the_run_whatever_the_limit() -> None:
    with pytest.raises(TrainingError, match="100%"):
        drop_unscored([make_group(0, [None, None])], max_share=1.0)


def test_a_pass_draws_every_prompt_once_and_the_next_pass_in_another_order() -> None:
    prompts = [make_prompt(i) for i in range(10)]
    order = PromptOrder(prompts, seed=1)
    drawn = [p.problem.problem_id for step in range(5) for p in order.draw(4 * step, 4)]
    assert set(drawn[:10]) == set(drawn[10:]) == {f"p{i}" for i in range(10)}
    assert drawn[:10] != drawn[10:]


def test_the_draw_is_a_pure_function_of_seed_and_position() -> None:
    prompts = [make_prompt(i) for i in range(7)]
    assert PromptOrder(prompts, 1).draw(9, 3) == PromptOrder(prompts, 1).draw(9, 3)
    assert PromptOrder(prompts, 1).draw(9, 3) != PromptOrder(prompts, 2).draw(9, 3)
    assert len(PromptOrder(prompts[:1], 1).draw(0, 5)) == 5


def test_seeds_differ_by_purpose_and_are_stable() -> None:
    assert derive_seed(0, 1) == derive_seed(0, 1)
    assert len({derive_seed(s, p) for s in range(3) for p in (1, 2, "held-out")}) == 9
