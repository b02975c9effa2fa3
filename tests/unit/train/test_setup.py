"""From settings to the parts of a run: every setting arrives where it is read."""

from pathlib import Path
from typing import TypeVar

import pytest

from spro.credit import METHODS
from spro.errors import ConfigError, RunFolderError
from spro.loss import SURROGATES
from spro.rollout import EmbeddedEngine, Sampling
from spro.settings import load_config
from spro.train.filter import UnequalScores
from spro.train.grading import Grading
from spro.train.greedy import GreedyAnswers
from spro.train.interrupt import Interrupted
from spro.train.log_probs import RefLogProbs
from spro.train.loop import Trainer
from spro.train.reference import Frozen, MovingAverage
from spro.train.reward import OverlongPenalty
from spro.train.setup import build_trainer, resolve
from spro.train.source import Source
from spro.train.steps import StepSplitter
from spro.train.vine import StepValues

FEW = ["task.train_problems=64", "task.held_out_problems=4", "rollout.max_response_length=40"]


def build(tmp_path: Path, *overrides: str) -> Trainer:
    """The parts of a run of the lab task; the grader among them is closed."""
    config = resolve(load_config(None, [*FEW, f"run_dir={tmp_path / 'run'}", *overrides]))
    with Grading(config) as grading:
        return build_trainer(config, grading)


def sources(trainer: Trainer) -> list[str]:
    return [source.tensor for source in trainer.learner.sources]


Kind = TypeVar("Kind", bound=Source)


def source_of(trainer: Trainer, kind: type[Kind]) -> Kind:
    (found,) = [source for source in trainer.learner.sources if isinstance(source, kind)]
    return found


def test_the_settings_of_rollout_and_filter(tmp_path: Path) -> None:
    trainer = build(
        tmp_path, "rollout.group_size=3", "rollout.temperature=0.7", "rollout.max_rows=5", "filter.type=dynamic",
        "filter.oversample_factor=1", "filter.max_rollout_batches=4", "train.micro_batch_tokens=600", "seed=9",
    )  # fmt: skip
    gatherer, learner = trainer.gatherer, trainer.learner
    assert gatherer.filter == UnequalScores(4)
    assert isinstance(gatherer.engine, EmbeddedEngine)
    assert gatherer.engine.max_rows == 5
    reference = source_of(trainer, RefLogProbs)
    assert (reference.scoring.temperature, reference.scoring.max_tokens) == (0.7, 600)
    assert (learner.updater.rollout.temperature, learner.updater.train.micro_batch_tokens) == (0.7, 600)
    assert trainer.held_out.sampled == Sampling(1, 40, 0.7)
    assert trainer.held_out.greedy == Sampling(1, 40, 0.0)
    assert trainer.held_out.engine is gatherer.engine
    assert (gatherer.order.seed, len(gatherer.order), len(trainer.held_out.prompts)) == (9, 64, 4)


def test_the_settings_of_method_surrogate_and_reference(tmp_path: Path) -> None:
    trainer = build(
        tmp_path, "credit.beta=0.125", "loss.type=gspo", "loss.clip_ratio_low=0.01", "reference.type=ema",
        "reference.decay=0.5",
    )  # fmt: skip
    assert trainer.learner.method == METHODS["spro"](beta=0.125)
    assert trainer.learner.updater.surrogate == SURROGATES["gspo"](clip_ratio_low=0.01)
    assert source_of(trainer, RefLogProbs).update == MovingAverage(0.5)
    assert sources(trainer) == ["ref_log_probs"]


@pytest.mark.parametrize(
    ("overrides", "made"),
    [
        ([], []),
        (["loss.kl_loss_coef=0.1"], ["ref_log_probs"]),
        (["train.mini_batches=2"], ["old_log_probs"]),
        (["train.mini_batches=2", "loss.kl_loss_coef=0.1"], ["old_log_probs", "ref_log_probs"]),
    ],
)
def test_a_penalty_of_divergence_holds_a_reference(tmp_path: Path, overrides: list[str], made: list[str]) -> None:
    trainer = build(tmp_path, "credit.type=grpo", *overrides)
    assert sources(trainer) == made
    if "ref_log_probs" in made:
        assert source_of(trainer, RefLogProbs).update == Frozen()
    assert trainer.gatherer.preparations == ()


@pytest.mark.parametrize(
    ("method", "made"),
    [("prime", ["ref_log_probs", "prm_log_probs"]), ("ppo", ["values"]), ("grpo", [])],
)
def test_the_models_of_a_method_are_made_saved_and_stopped_alike(tmp_path: Path, method: str, made: list[str]) -> None:
    trainer = build(tmp_path, f"credit.type={method}")
    assert sources(trainer) == made
    assert trainer.saving.sources is trainer.learner.sources
    assert trainer.saving.optimizer is trainer.learner.updater.optimizer
    assert trainer.saving.policy is trainer.learner.policy
    trainer.stop.signal_number = 15
    checks = [source.scoring.check for source in trainer.learner.sources]  # type: ignore[attr-defined]
    for check in (*checks, trainer.gatherer.check, trainer.gatherer.engine.check, trainer.learner.updater.check):  # type: ignore[attr-defined]
        with pytest.raises(Interrupted):
            check()
    optimizers = [source.optimizer for source in trainer.learner.sources if hasattr(source, "optimizer")]
    for optimizer in (trainer.learner.updater.optimizer, *optimizers):
        trainer.stop.release()
        optimizer.commit()
        assert trainer.stop.committed


def test_the_settings_of_the_watch_and_of_the_folder(tmp_path: Path) -> None:
    trainer = build(tmp_path, "watch.on_collapse=stop", "watch.fall=0.25", "log.keep_checkpoints=5")
    assert (trainer.watch.section.on_collapse, trainer.watch.section.fall) == ("stop", 0.25)
    assert trainer.folder.checkpoints.keep == 5
    assert trainer.folder.checkpoints.folder == tmp_path / "run" / "checkpoints"


def test_a_run_folder_that_exists_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    build(tmp_path).folder.close()
    with pytest.raises(RunFolderError, match="exists already; go on with it by --resume, choose another with run_dir="):
        build(tmp_path, "model.path=./absent")


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
    assert trainer.gatherer.judge.penalty == penalty
    assert [type(preparation) for preparation in trainer.gatherer.preparations] == kinds
    for preparation in trainer.gatherer.preparations:
        if isinstance(preparation, StepSplitter):
            assert preparation.separator == "so"
        if isinstance(preparation, GreedyAnswers | StepValues):
            assert (preparation.sampling, preparation.judge) == (sampling, trainer.gatherer.judge)
            assert preparation.engine is trainer.gatherer.engine
        if isinstance(preparation, StepValues):
            assert preparation.samples == 2
            assert preparation.positions == trainer.learner.policy.model.config.max_position_embeddings


def test_a_reference_that_follows_and_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"reference.type is 'ema', and nothing reads a reference: credit.type 'grpo'"
    ):
        build(tmp_path, "credit.type=grpo", "reference.type=ema")
