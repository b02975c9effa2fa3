"""Algorithm 1 with an engine and a verifier that say what they are told to: who is rolled out, filtered, scored."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from spro.config import (
    DynamicFilter,
    FilterConfig,
    PeriodicReference,
    VerifyConfig,
    ZeroVarianceFilter,
)  # fmt: skip
from spro.errors import TrainingError
from spro.models import load_policy
from spro.report import write_report
from spro.rollout import Sampling
from spro.train.group import Group, Prepared
from spro.train.log_probs import RefLogProbs
from spro.train.metrics import Metrics, step_metrics
from tests.unit.train.builders import make_group
from tests.unit.train.scripted import (
    WINDOW,
    Silent,
    build,
    make_config,
    replace_learning_rate,
    run,
)

ROUNDING = 1e-6
"""Policy and reference score rows in other batches: on some processors equal weights differ in their last bit."""


def test_twice_as_many_are_rolled_out_and_the_window_comes_first(tmp_path: Path) -> None:
    done = run(tmp_path, make_config(), ["none", "half", "all", "none", "half", "all"])
    assert done.engine.asked[0][:2] == (6, Sampling(4, 8, 1.0))
    (kept,) = done.learner.seen
    assert [group.prompt.problem.ground_truth for group in kept][:2] == ["half", "half"]
    assert len(kept) == 3, "a prompt outside the window fills the batch"
    assert done.lines[1]["filter/in_window_fraction"] == pytest.approx(2 / 3)
    assert done.lines[1]["accuracy"] == pytest.approx(0.5), "measured before the filter"
    assert done.lines[1]["response_length/mean"] == 2.5
    assert done.lines[1]["step_tokens"] == 60


def test_what_could_not_be_graded_leaves_its_group_and_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, make_config(), ["broken", "half", "half", "half", "half", "half"])
    sizes = {g.prompt.problem.ground_truth: len(g.responses) for g in done.learner.seen[0]}
    assert sizes.get("broken", 2) == 2
    assert sizes["half"] == 4
    assert done.lines[1]["verify/unscored_fraction"] == pytest.approx(2 / 24)
    assert done.lines[1]["accuracy"] == pytest.approx(11 / 22), "over the graded ones"
    assert done.display.lines == ["step 1: 2 responses could not be graded, such as: broken verifier"]


def test_each_step_samples_with_a_seed_of_its_own(tmp_path: Path) -> None:
    done = run(tmp_path, make_config(steps=3), ["half"] * 18)
    seeds = [seed for _, _, seed in done.engine.asked]
    assert len(set(seeds)) == 3
    drawn = [group.prompt.problem.problem_id for step in done.learner.seen for group in step]
    assert len(set(drawn)) == len(drawn) == 9


def test_the_positions_in_the_order_of_the_prompts_are_logged(tmp_path: Path) -> None:
    done = run(tmp_path, make_config(steps=3), ["half"] * 18)
    assert [line["prompts_drawn"] for line in done.lines[1:]] == [6, 12, 18]
    assert [line["filter/rollout_batches"] for line in done.lines[1:]] == [1, 1, 1]


def test_dynamic_sampling_goes_on_until_the_batch_is_full(tmp_path: Path) -> None:
    config = make_config(steps=2, filter=DynamicFilter(type="dynamic", oversample_factor=1.0))
    kinds = ["half"] * 6 + ["none"] * 15
    done = run(tmp_path, config, kinds)
    cursor = 0
    for kept, line in zip(done.learner.seen, done.lines[1:], strict=True):
        batches = int(line["filter/rollout_batches"])
        positions, prompts = zip(*islice(done.trainer.gatherer.order.step(cursor), 3 * batches), strict=True)
        drawn = [prompt.problem.ground_truth for prompt in prompts]
        assert drawn[:-3].count("half") < 3, "it went on because there were too few"
        assert drawn.count("half") >= 3, "and ended as soon as there were enough"
        assert [group.prompt.problem.ground_truth for group in kept] == ["half"] * 3
        cursor = positions[-1]
        assert line["prompts_drawn"] == cursor
        assert line["step_tokens"] == 10 * 3 * batches, "all that was rolled out is counted"
    assert cursor > 6, "or this test shows nothing"
    seeds = [seed for _, _, seed in done.engine.asked]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(("limit", "prompts", "batches"), [(4, 60, 4), (10, 8, 2)])
def test_dynamic_sampling_gives_up_in_time(tmp_path: Path, limit: int, prompts: int, batches: int) -> None:
    section = DynamicFilter(type="dynamic", oversample_factor=1.0, max_rollout_batches=limit)
    done = run(tmp_path, make_config(filter=section), ["none"] * (prompts - 1) + ["half"])
    assert done.lines[1]["filter/rollout_batches"] == batches, "as often as allowed, and no prompt twice"
    assert done.lines[1]["prompts_drawn"] == 3 * batches
    drawn = [prompt for asked in done.engine.prompts for prompt in asked]
    assert len(set(drawn)) == len(drawn) == 3 * batches
    assert done.lines[1]["filter/groups"] in {0, 1}


def test_a_step_without_a_group_leaves_the_policy_as_it_is_and_says_so(tmp_path: Path) -> None:
    config = make_config(steps=2, filter=ZeroVarianceFilter(type="zero_variance"))
    done = run(tmp_path, config, ["none", "all", "none"])
    assert done.outcome.steps == 2
    assert done.display.lines == [f"step {n}: no group is left to train on; the policy stays as it is" for n in (1, 2)]
    assert [line["filter/groups"] for line in done.lines[1:]] == [0, 0]
    assert "loss" not in done.lines[1]
    assert done.lines[1]["accuracy"] == pytest.approx(1 / 3)
    start = load_policy("builtin:chain", "cpu").model
    now = done.learner.policy.model
    assert all(torch.equal(a, b) for a, b in zip(now.parameters(), start.parameters(), strict=True))
    write_report(tmp_path / "run")


def test_the_reference_follows_behind_each_step(tmp_path: Path) -> None:
    config = make_config(steps=4, reference=PeriodicReference(type="periodic", every=2))
    done = run(tmp_path, replace_learning_rate(config, 1e-2), ["half"] * 6)
    for name in ("credit/msa_std", "kl"):
        assert [line[name] > ROUNDING for line in done.lines[1:]] == [False, True, False, True], name


def test_greedy_answers_are_asked_for_behind_the_filter(tmp_path: Path) -> None:
    done = run(tmp_path, make_config(), ["half"] * 6, more="greedy_rewards")
    assert [(count, sampling) for count, sampling, _ in done.engine.asked] == [
        (6, Sampling(4, 8, 1.0)), (3, Sampling(1, 8, 0.0)),
    ]  # fmt: skip
    assert [group.greedy_reward for group in done.learner.seen[0]] == [1.0] * 3


def test_groups_whose_greedy_answer_could_not_be_graded_are_left_out(tmp_path: Path) -> None:
    config = make_config(filter=ZeroVarianceFilter(type="zero_variance"))
    done = run(tmp_path, config, ["late", "half", "half"], more="greedy_rewards")
    assert [group.prompt.problem.ground_truth for group in done.learner.seen[0]] == ["half", "half"]
    reason = "further answers could not be graded, such as: broken verifier"
    assert f"step 1: 1 of 3 groups left out, {reason}" in done.display.lines
    assert done.lines[1]["filter/groups"] == 2
    assert done.lines[1]["prepare/left_out"] == 1
    logged = [json.loads(line) for line in (tmp_path / "run" / "unscored.jsonl").read_text().splitlines()]
    assert [line["problem_id"] for line in logged] == ["late-0", "late-0"], "the sampled answer and the greedy one"


def test_too_many_groups_left_out_stop_the_run(tmp_path: Path) -> None:
    config = make_config(filter=ZeroVarianceFilter(type="zero_variance"))
    with pytest.raises(TrainingError, match=r"67% of the groups are left out.*share = 50%; the first: broken verifier"):
        run(tmp_path, config, ["late", "half", "late"], more="greedy_rewards")
    assert (tmp_path / "run" / "unscored.jsonl").exists()


def test_greedy_answers_that_can_never_be_graded_stop_the_run_whatever_the_limit(tmp_path: Path) -> None:
    config = make_config().model_copy(update={"verify": VerifyConfig(max_unscored_share=1.0)})
    with pytest.raises(TrainingError, match="100% of the groups are left out"):
        run(tmp_path, config, ["late"] * 6, more="greedy_rewards")


def test_the_share_that_could_not_be_graded_is_that_of_the_whole_step(tmp_path: Path) -> None:
    """Dynamic sampling, a prompt a batch: most batches of a step hold nothing that could be graded."""
    config = make_config(filter=DynamicFilter(type="dynamic", oversample_factor=1 / 3 + 1))
    config = config.model_copy(update={"train": config.train.model_copy(update={"prompts_per_step": 1})})
    done = run(tmp_path, config, ["lost", "lost", "none", "none", "none"])
    assert done.lines[1]["filter/rollout_batches"] == 5
    assert done.lines[1]["verify/unscored_fraction"] == pytest.approx(2 / 5)
    assert done.display.lines == [
        "step 1: 8 responses could not be graded, such as: broken verifier",
        "step 1: no group is left to train on; the policy stays as it is",
    ]
    with pytest.raises(TrainingError, match=r"60% of the responses could not be graded.*share = 50%"):
        run(tmp_path / "worse", config, ["lost", "lost", "lost", "none", "none"])


@pytest.mark.parametrize("filter", [WINDOW, DynamicFilter(type="dynamic", oversample_factor=1.0)])
def test_no_step_rolls_out_a_prompt_twice(tmp_path: Path, filter: FilterConfig) -> None:
    """Ten prompts: steps of several go over into the next pass."""
    done = run(tmp_path, make_config(steps=8, filter=filter), ["half"] * 2 + ["none"] * 8)
    asked = iter(done.engine.prompts)
    skipped, cursor = 0, 0
    for line in done.lines[1:]:
        drawn = [prompt for _ in range(int(line["filter/rollout_batches"])) for prompt in next(asked)]
        assert len(set(drawn)) == len(drawn)
        skipped += int(line["prompts_drawn"]) - cursor - len(drawn)
        cursor = int(line["prompts_drawn"])
    assert skipped > 0, "or this test shows nothing"


def test_seeds_of_preparations_differ_across_steps_and_preparations(tmp_path: Path) -> None:
    seeds: list[int] = []

    def note(groups: Sequence[Group], seed: int) -> Prepared:
        seeds.append(seed)
        return Prepared(list(groups), [])

    done = run(tmp_path, make_config(steps=3), ["half"] * 6, preparations=(note, note))
    assert len(set(seeds)) == len(seeds) == 6
    assert not set(seeds) & {seed for _, _, seed in done.engine.asked}


def test_nothing_is_prepared_for_no_group(tmp_path: Path) -> None:
    seen: list[int] = []

    def note(groups: Sequence[Group], seed: int) -> Prepared:
        seen.append(len(groups))
        return Prepared(list(groups), [])

    config = make_config(steps=2, filter=ZeroVarianceFilter(type="zero_variance"))
    done = run(tmp_path, config, ["none"] * 5 + ["half"], preparations=(note,))
    assert sorted(line["filter/groups"] for line in done.lines[1:]) == [0, 1]
    assert seen == [1]


def test_how_many_steps_a_response_has_is_told_where_steps_are_made(tmp_path: Path) -> None:
    """The members write 0, 1+, 2++ and 3+++, in which no line ends."""
    done = run(tmp_path / "cut", make_config(), ["half"] * 6, more="step_ids")
    assert done.lines[1]["steps/mean"] == 1
    assert "steps/mean" not in run(tmp_path / "whole", make_config(), ["half"] * 6).lines[1]


def test_the_mean_number_of_steps_by_hand() -> None:
    cut = [
        replace(make_group(0, [1.0, 0.0], [3, 1]), step_ids=((0, 0, 1), (0,))),
        replace(make_group(1, [1.0], [4]), step_ids=((0, 1, 1, 2),)),
    ]
    assert step_metrics(cut) == {"steps/mean": 2.0}
    assert step_metrics([make_group(0, [1.0, 0.0])]) == {}


def test_held_out_problems_are_answered_once_sampled_and_once_greedily(tmp_path: Path) -> None:
    done = run(tmp_path, make_config(steps=3), ["half"] * 6, held_out=["all", "none", "all", "half"])
    evaluations = [(sampling, seed) for count, sampling, seed in done.engine.asked if count == 4]
    assert [sampling for sampling, _ in evaluations[:2]] == [Sampling(1, 8, 1.0), Sampling(1, 8, 0.0)]
    assert len({seed for _, seed in evaluations}) == 1, "the same noise at every evaluation"
    assert [step for step, _ in done.outcome.evaluations] == [0, 2, 3]
    assert done.lines[0] == {
        "step": 0, "eval/accuracy": 0.75, "eval/accuracy_se": pytest.approx((0.75 * 0.25 / 4) ** 0.5),
        "eval/greedy_accuracy": 0.75, "eval/response_length/mean": 1.0, "eval/problems": 4,
    }  # fmt: skip


def test_the_process_term_appears_with_the_second_step(tmp_path: Path) -> None:
    config = make_config(steps=3)
    config = replace_learning_rate(config, 1e-2)
    done = run(tmp_path, config, ["half"] * 6)
    assert done.lines[1]["credit/msa_std"] < ROUNDING < done.lines[2]["credit/msa_std"]
    (source,) = done.learner.sources
    assert isinstance(source, RefLogProbs)
    start = load_policy("builtin:chain", "cpu").model
    with source.reference.ready() as reference:
        assert all(torch.equal(a, b) for a, b in zip(reference.parameters(), start.parameters(), strict=True))


def test_a_stop_ends_after_the_step_saves_and_does_not_evaluate(tmp_path: Path) -> None:
    trainer = build(tmp_path, make_config(steps=50), ["half"] * 6, held_out=["all"])

    class StopAfterOne(Silent):
        def show(self, step: int, metrics: Metrics) -> None:
            trainer.stop.signal_number = 2

    outcome = trainer.run(StopAfterOne())
    assert outcome.steps == 1
    assert [step for step, _ in outcome.evaluations] == [0]
    assert [path.name for path in trainer.folder.checkpoints.folder.iterdir()] == ["step-1"]


def test_an_engine_that_samples_with_other_weights_than_it_was_given_ends_the_run(tmp_path: Path) -> None:
    trainer = build(tmp_path, make_config(steps=3), ["half"] * 6)
    deaf = replace(trainer, push=lambda version: {})
    with pytest.raises(TrainingError, match="step 2: responses of policy version 0, and the policy is 1"):
        deaf.run(Silent())
    assert [path.name for path in trainer.folder.checkpoints.folder.iterdir()] == ["step-1"], "nothing is lost"
