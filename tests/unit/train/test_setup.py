"""From settings to the parts of a run: every setting arrives where it is read."""

from pathlib import Path

import pytest

from spro.credit import METHODS
from spro.errors import ConfigError
from spro.loss import SURROGATES
from spro.rollout import EmbeddedEngine, Sampling
from spro.settings import load_config
from spro.train.filter import UnequalScores
from spro.train.grading import Grading
from spro.train.greedy import GreedyAnswers
from spro.train.loop import Trainer
from spro.train.reference import Frozen, MovingAverage
from spro.train.reward import OverlongPenalty
from spro.train.setup import build_trainer, resolve
from spro.train.steps import StepSplitter
from spro.train.vine import StepValues

FEW = ["task.train_problems=64", "task.held_out_problems=4", "rollout.max_response_length=40"]


def build(tmp_path: Path, *overrides: str) -> Trainer:
    """The parts of a run of the lab task; the grader among them is closed."""
    config = resolve(load_config(None, [*FEW, f"run_dir={tmp_path / 'run'}", *overrides]))
    with Grading(config) as grading:
        return build_trainer(config, grading)


def test_the_settings_of_rollout_and_filter(tmp_path: Path) -> None:
    trainer = build(
        tmp_path, "rollout.group_size=3", "rollout.temperature=0.7", "rollout.max_rows=5", "filter.type=dynamic",
        "filter.oversample_factor=1", "filter.max_rollout_batches=4", "train.micro_batch_size=6", "seed=9",
    )  # fmt: skip
    assert trainer.filter == UnequalScores(4)
    assert isinstance(trainer.engine, EmbeddedEngine)
    assert trainer.engine.max_rows == 5
    assert (trainer.scorer.temperature, trainer.scorer.micro_batch_size) == (0.7, 6)
    assert trainer.updater.rollout.temperature == 0.7
    assert trainer.held_out.sampled == Sampling(1, 40, 0.7)
    assert trainer.held_out.greedy == Sampling(1, 40, 0.0)
    assert (trainer.order.seed, len(trainer.order), len(trainer.held_out.prompts)) == (9, 64, 4)


def test_the_settings_of_method_surrogate_and_reference(tmp_path: Path) -> None:
    trainer = build(
        tmp_path, "credit.beta=0.125", "loss.type=gspo", "loss.clip_ratio_low=0.01", "reference.type=ema",
        "reference.decay=0.5",
    )  # fmt: skip
    assert trainer.credit == METHODS["spro"](beta=0.125)
    assert trainer.updater.surrogate == SURROGATES["gspo"](clip_ratio_low=0.01)
    assert trainer.scorer.reference == MovingAverage(0.5)
    assert trainer.scorer.models.keys() == {"old_log_probs", "ref_log_probs"}


@pytest.mark.parametrize(
    ("overrides", "models"),
    [
        ([], {"old_log_probs"}),
        (["loss.kl_loss_coef=0.1"], {"old_log_probs", "ref_log_probs"}),
    ],
)
def test_a_penalty_of_divergence_holds_a_reference(tmp_path: Path, overrides: list[str], models: set[str]) -> None:
    trainer = build(tmp_path, "credit.type=grpo", *overrides)
    assert trainer.scorer.models.keys() == models
    assert trainer.scorer.reference == Frozen()
    assert trainer.preparations == ()


@pytest.mark.parametrize(
    ("method", "kinds"),
    [("spro_steps", [StepSplitter]), ("remax", [GreedyAnswers]), ("vineppo", [StepSplitter, StepValues])],
)
def test_the_preparations_of_a_method_have_their_settings(tmp_path: Path, method: str, kinds: list[type]) -> None:
    trainer = build(
        tmp_path, f"credit.type={method}", "rollout.group_size=3", "rollout.temperature=0.7", "vine.samples=2",
        "steps.separator=so", "reward.overlong_buffer=8", "reward.overlong_penalty=0.5",
    )  # fmt: skip
    penalty, sampling = OverlongPenalty(40, 8, 0.5), Sampling(3, 40, 0.7)
    assert trainer.judge.penalty == penalty
    assert [type(preparation) for preparation in trainer.preparations] == kinds
    for preparation in trainer.preparations:
        if isinstance(preparation, StepSplitter):
            assert preparation.separator == "so"
        if isinstance(preparation, GreedyAnswers | StepValues):
            assert (preparation.sampling, preparation.judge) == (sampling, trainer.judge)
            assert preparation.engine is trainer.engine
        if isinstance(preparation, StepValues):
            assert preparation.samples == 2
            assert preparation.positions == trainer.policy.model.config.max_position_embeddings


def test_a_reference_that_follows_and_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"reference.type is 'ema', and nothing reads a reference: credit.type 'grpo'"
    ):
        build(tmp_path, "credit.type=grpo", "reference.type=ema")
