"""Algorithm 1 with an engine and a verifier that say what they are told to: who is rolled out, filtered, scored."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from spro.config import (
    AccuracyWindowFilter,
    ChainTask,
    Config,
    DynamicFilter,
    EvaluateConfig,
    FilterConfig,
    FrozenReference,
    LogConfig,
    ModelConfig,
    PeriodicReference,
    ReferenceConfig,
    RolloutConfig,
    TrainConfig,
    VerifyConfig,
    WatchConfig,
    ZeroVarianceFilter,
)  # fmt: skip
from spro.errors import TrainingError
from spro.loss.surrogate import SampledTokens
from spro.loss.surrogates import PPOClip
from spro.models import load_policy
from spro.report import write_report
from spro.rollout import FinishReason, Response, Sampling
from spro.tasks import Message, Problem, Prompt
from spro.train.filter import build_filter
from spro.train.gather import Gatherer
from spro.train.group import Group, Prepared
from spro.train.held_out import HeldOut
from spro.train.interrupt import StopRequest
from spro.train.learn import Learned, Learner
from spro.train.loop import Outcome, Trainer
from spro.train.metrics import Metrics, step_metrics
from spro.train.order import PromptOrder
from spro.train.prepare import Preparation, build_preparations
from spro.train.run_folder import RunFolder
from spro.train.saving import Saving
from spro.train.source import RefLogProbs
from spro.train.state import RunState
from spro.train.stopwatch import Stopwatch
from spro.train.watch import Watch
from spro.verify import Status, Verdict
from tests.unit.train.builders import make_group, make_judge, make_learner

SCORES = {
    "none": [0.0] * 4,
    "half": [1.0, 0.0, 1.0, 0.0],
    "all": [1.0] * 4,
    "broken": [1.0, None, 0.0, None],
    "lost": [None] * 4,
    "late": [None, 1.0, 0.0, 1.0],
}


@dataclass
class ScriptedEngine:
    """Member i of a group writes i + 1 tokens, the first of which says which member it is."""

    asked: list[tuple[int, Sampling, int]] = field(default_factory=list)
    prompts: list[list[tuple[int, ...]]] = field(default_factory=list)
    version: int = 0

    def push(self, version: int) -> Metrics:
        self.version = version
        return {}

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        self.asked.append((len(prompts), sampling, seed))
        self.prompts.append([tuple(prompt) for prompt in prompts])
        return [tuple(self._member(i) for i in range(sampling.group_size)) for _ in prompts]

    def _member(self, i: int) -> Response:
        return Response((2 + i, *[12] * i), (-1.0,) * (i + 1), FinishReason.STOP, policy_version=self.version)


def scripted_verifier(response: str, ground_truth: str) -> Verdict:
    score = SCORES[ground_truth][int(response[0])]
    if score is None:
        return Verdict(None, Status.UNSCORED, detail="broken verifier")
    return Verdict(score, Status.CORRECT if score else Status.WRONG)


@dataclass(frozen=True)
class RecordingLearner(Learner):
    """Notes which groups are learned from."""

    seen: list[list[Group]] = field(default_factory=list)

    def learn(self, groups: Sequence[Group], watch: Stopwatch) -> Learned:
        self.seen.append(list(groups))
        return super().learn(groups, watch)


class Silent:
    """A display that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def show(self, step: int, metrics: Metrics) -> None:
        pass

    def close(self) -> None:
        pass


def make_prompts(kinds: Sequence[str]) -> list[Prompt]:
    message = (Message(role="user", content="?"),)
    return [
        Prompt(Problem(f"{kind}-{i}", message, kind, "script", "test"), (2 + i // 10, 2 + i % 10))
        for i, kind in enumerate(kinds)
    ]


WINDOW, FROZEN = AccuracyWindowFilter(), FrozenReference()


def make_config(steps: int = 1, filter: FilterConfig = WINDOW, reference: ReferenceConfig = FROZEN) -> Config:
    return Config(
        model=ModelConfig(path="builtin:chain"),
        task=ChainTask(type="chain"),
        rollout=RolloutConfig(max_response_length=8),
        filter=filter,
        reference=reference,
        train=TrainConfig(steps=steps, prompts_per_step=3),
        evaluate=EvaluateConfig(every=2),
        log=LogConfig(checkpoint_every=2),
    )


@dataclass
class Run:
    trainer: Trainer
    engine: ScriptedEngine
    learner: RecordingLearner
    display: Silent
    outcome: Outcome
    lines: list[dict[str, float]]


def build(
    tmp_path: Path,
    config: Config,
    kinds: Sequence[str],
    held_out: Sequence[str] = (),
    more: str | None = None,
    preparations: tuple[Preparation, ...] = (),
    resume: bool = False,
) -> Trainer:
    """Of a run of SPRO; ``more`` names a tensor that is made beside those it needs."""
    policy, stop = load_policy("builtin:chain", "cpu"), StopRequest()
    learner = make_learner(policy.model, config, stop=stop)
    needs = learner.needs | ({more} if more else set())
    learner = RecordingLearner(**{**vars(learner), "policy": policy, "needs": needs})
    engine, judge = ScriptedEngine(), make_judge(policy.tokenizer, script=scripted_verifier)
    folder = RunFolder(tmp_path / "run", config, resume)
    preparations = preparations or build_preparations(needs, config, policy, engine, judge)
    order, chosen = PromptOrder(make_prompts(kinds), 0), build_filter(config.filter)
    return Trainer(
        config=config,
        gatherer=Gatherer(config, order, engine, judge, chosen, preparations, folder, stop.check),
        learner=learner,
        held_out=HeldOut(engine, judge, make_prompts(held_out), Sampling(4, 8, 1.0), 0),
        push=engine.push,
        close=folder.close,
        watch=Watch(config.watch),
        saving=Saving(policy, learner.updater.optimizer, learner.sources),
        folder=folder,
        stop=stop,
        notes=(),
    )


def lines_of(tmp_path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]


def run(tmp_path: Path, *parts: Any, **further: Any) -> Run:
    """See ``build``."""
    trainer, display = build(tmp_path, *parts, **further), Silent()
    with closing(trainer):
        outcome = trainer.run(display)
    assert isinstance(trainer.learner, RecordingLearner)
    assert isinstance(trainer.gatherer.engine, ScriptedEngine)
    return Run(trainer, trainer.gatherer.engine, trainer.learner, display, outcome, lines_of(tmp_path))


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
    assert [line["credit/msa_std"] > 0 for line in done.lines[1:]] == [False, True, False, True]
    assert [line["kl"] > 0 for line in done.lines[1:]] == [False, True, False, True]


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
    assert done.lines[1]["credit/msa_std"] == 0
    assert done.lines[2]["credit/msa_std"] > 0
    (source,) = done.learner.sources
    assert isinstance(source, RefLogProbs)
    start = load_policy("builtin:chain", "cpu").model
    with source.reference.ready() as reference:
        assert all(torch.equal(a, b) for a, b in zip(reference.parameters(), start.parameters(), strict=True))


def replace_learning_rate(config: Config, rate: float) -> Config:
    return config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"learning_rate": rate})})


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


@dataclass(frozen=True)
class Poisoned(PPOClip):
    """Its objective is infinite in some updates."""

    updates: frozenset[int] = frozenset()
    seen: list[int] = field(default_factory=list)

    def objective(self, tokens: SampledTokens) -> Tensor:
        self.seen.append(len(self.seen) + 1)
        return super().objective(tokens) * (float("inf") if self.seen[-1] in self.updates else 1.0)


class Noting(Silent):
    """Notes the policy behind each step."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.trainer = trainer
        self.weights: list[Tensor] = []

    def show(self, step: int, metrics: Metrics) -> None:
        weights = [weight.detach().flatten() for weight in self.trainer.learner.policy.model.parameters()]
        self.weights.append(torch.cat(weights).clone())


def poisoned(tmp_path: Path, *updates: int, allowed: int = 2) -> tuple[Trainer, Noting]:
    config = replace_learning_rate(make_config(steps=6), 1e-3)
    config = config.model_copy(update={"train": config.train.model_copy(update={"max_skipped_updates": allowed})})
    trainer = build(tmp_path, config, ["half"] * 6)
    trainer.learner.updater.surrogate = Poisoned(updates=frozenset(updates))
    return trainer, Noting(trainer)


def test_an_update_that_is_not_finite_is_skipped_counted_told_and_its_batch_kept(tmp_path: Path) -> None:
    trainer, display = poisoned(tmp_path, 2)
    assert trainer.run(display).steps == 6
    assert [line["skipped_updates"] for line in lines_of(tmp_path)[1:]] == [0, 1, 0, 0, 0, 0]
    kept = tmp_path / "run" / "skipped_batch.safetensors"
    what = f"skipped_updates: loss or gradient is not finite, nothing was changed; batch in {kept}"
    assert display.lines == [f"step 2: {what}"]
    assert torch.equal(display.weights[1], display.weights[0])
    assert not torch.equal(display.weights[2], display.weights[1])
    assert all(weights.isfinite().all() for weights in display.weights)
    batch = load_file(kept)
    rows = len(batch["advantages"])
    assert rows == 12
    written = batch["response_mask"].sum(dim=1)
    assert batch["token_ids"].shape == (rows, int((batch["prompt_lengths"] + written).max()))
    for row in range(rows):
        start = int(batch["prompt_lengths"][row])
        assert batch["token_ids"][row, start : start + int(written[row])].tolist()[0] == 2 + row % 4
    assert {"ref_log_probs", "old_log_probs", "rollout_log_probs", "group_ids", "outcome_rewards"} <= batch.keys()


def test_too_many_skipped_updates_in_a_row_end_the_run_and_name_the_batch(tmp_path: Path) -> None:
    trainer, display = poisoned(tmp_path, 3, 4, 5)
    with pytest.raises(TrainingError) as caught:
        trainer.run(display)
    said = str(caught.value)
    assert "step 5: loss or gradient is not finite, 3 steps in a row" in said
    assert str(tmp_path / "run" / "skipped_batch.safetensors") in said
    assert "Lower optimizer.learning_rate" in said
    assert "\n" not in said
    found = {path.name for path in trainer.folder.checkpoints.folder.iterdir()}
    assert found == {"step-4", "step-5"}
    assert len(display.weights) == 5
    assert torch.equal(display.weights[4], display.weights[1])


def test_one_good_step_between_begins_the_count_anew(tmp_path: Path) -> None:
    trainer, display = poisoned(tmp_path, 1, 2, 4, 5)
    assert trainer.run(display).steps == 6
    strict, display = poisoned(tmp_path / "strict", 4, allowed=0)
    with pytest.raises(TrainingError, match=r"step 4: .* 1 steps in a row"):
        strict.run(display)


def test_the_count_of_skipped_updates_survives_a_stop(tmp_path: Path) -> None:
    trainer, display = poisoned(tmp_path, 2, 3)
    trainer.stop.signal_number = None
    shown = display.show
    display.show = lambda step, metrics: (shown(step, metrics), _stop_at(trainer, step, 3))[0]  # type: ignore[method-assign]
    with closing(trainer):
        assert trainer.run(display).steps == 3
    again = build(tmp_path, trainer.config, ["half"] * 6, resume=True)
    again.learner.updater.surrogate = Poisoned(updates=frozenset({1}))
    with pytest.raises(TrainingError, match=r"step 4: .* 3 steps in a row"):
        again.run(Silent())


def _stop_at(trainer: Trainer, step: int, wanted: int) -> None:
    if step == wanted:
        trainer.stop.signal_number = 15


FALLS = 26


def collapsing(tmp_path: Path, on_collapse: str, steps: int = 40, resume: bool = False) -> Trainer:
    """Half of the answers are right, and from one step on none is."""
    config = make_config(steps=steps).model_copy(
        update={"watch": WatchConfig(on_collapse=on_collapse), "log": LogConfig(checkpoint_every=2)}
    )
    trainer = build(tmp_path, config, ["half"] * 6, resume=resume)
    engine = trainer.gatherer.engine
    assert isinstance(engine, ScriptedEngine)

    def verify(response: str, ground_truth: str) -> Verdict:
        return scripted_verifier(response, ground_truth if engine.version < FALLS - 1 else "none")

    judge = make_judge(trainer.learner.policy.tokenizer, script=verify)
    return replace(trainer, gatherer=replace(trainer.gatherer, judge=judge))


def test_a_collapse_ends_the_run_if_it_is_to_and_names_the_last_checkpoint_from_before(tmp_path: Path) -> None:
    trainer, display = collapsing(tmp_path, "stop"), Silent()
    with pytest.raises(TrainingError) as caught:
        trainer.run(display)
    said = str(caught.value)
    good = tmp_path / "run/checkpoints" / f"step-{FALLS - 2}"
    assert f"collapse since step {FALLS}: accuracy fell from 0.5 to 0" in said
    assert said.endswith(f"stopped, as watch.on_collapse says. The last checkpoint from before: {good}")
    assert good.is_dir()
    told = [line for line in display.lines if line.startswith("collapse since")]
    assert len(told) == 1
    lines = lines_of(tmp_path)
    assert lines[-1]["watch/collapse_began"] == FALLS
    assert lines[-1]["step"] < 40


def test_the_checkpoint_from_before_a_collapse_stays_while_the_run_goes_on(tmp_path: Path) -> None:
    trainer = collapsing(tmp_path, "warn")
    assert trainer.run(Silent()).steps == 40
    found = {path.name for path in trainer.folder.checkpoints.folder.iterdir()}
    assert found == {f"step-{FALLS - 2}", "step-38", "step-40"}


def test_a_collapse_is_recognised_at_the_same_step_by_a_run_that_was_stopped(tmp_path: Path) -> None:
    straight = collapsing(tmp_path / "straight", "stop")
    with pytest.raises(TrainingError) as told:
        straight.run(Silent())

    for wanted in (3, FALLS + 1):
        trainer, display = collapsing(tmp_path, "stop", resume=True), Silent()
        display.show = lambda step, metrics, t=trainer, w=wanted: _stop_at(t, step, w)  # type: ignore[misc, method-assign]
        with closing(trainer):
            assert trainer.run(display).steps == wanted
    again = collapsing(tmp_path, "stop", resume=True)
    with pytest.raises(TrainingError) as told_again:
        again.run(Silent())
    assert str(told_again.value) == str(told.value).replace("/straight/", "/")
    timed = ("time/", "memory/")
    one, other = (
        [{k: v for k, v in line.items() if not k.startswith(timed)} for line in lines_of(folder)]
        for folder in (tmp_path, tmp_path / "straight")
    )
    assert one == other


def test_a_save_that_fails_is_told_and_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build(tmp_path, make_config(steps=4), ["half"] * 6)
    tried: list[int] = []

    def full(folder: Path, state: RunState) -> None:
        tried.append(state.step)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(trainer.saving), "write", lambda self, folder, state: full(folder, state))
    with pytest.raises(OSError, match="No space left"):
        trainer.run(Silent())
    assert tried == [2]


def test_an_error_that_nobody_foresaw_costs_no_finished_step(tmp_path: Path) -> None:
    """Such as a full memory in a rollout."""
    trainer = build(tmp_path, make_config(steps=4), ["half"] * 6)
    generate = trainer.gatherer.engine.generate

    def fail_in_step_2(*words: Any) -> list[tuple[Response, ...]]:
        if trainer.gatherer.engine.version == 1:  # type: ignore[attr-defined]
            raise MemoryError
        return generate(*words)

    trainer.gatherer.engine.generate = fail_in_step_2  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        trainer.run(Silent())
    assert [path.name for path in trainer.folder.checkpoints.folder.iterdir()] == ["step-1"]


def test_metrics_that_were_logged_before_an_error_are_logged_once(tmp_path: Path) -> None:
    """Whoever reads the lines on the terminal went away: the step is saved as one to evaluate and log."""
    trainer, display = build(tmp_path, make_config(steps=3), ["half"] * 6), Silent()
    display.show = lambda step, metrics: _break(step)  # type: ignore[method-assign]
    with closing(trainer), pytest.raises(BrokenPipeError):
        trainer.run(display)
    again = build(tmp_path, make_config(steps=3), ["half"] * 6, resume=True)
    assert again.run(Silent()).steps == 3
    assert [line["step"] for line in lines_of(tmp_path)] == [0, 1, 2, 3]


def _break(step: int) -> None:
    if step == 2:
        raise BrokenPipeError
