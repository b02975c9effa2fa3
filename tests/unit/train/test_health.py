"""What goes wrong in a run is skipped, told or ends it, and costs nothing that was learned."""

from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from spro.config import (
    LogConfig,
    WatchConfig,
)  # fmt: skip
from spro.errors import TrainingError
from spro.loss.surrogate import SampledTokens
from spro.loss.surrogates import PPOClip
from spro.rollout import Response
from spro.train.loop import Trainer
from spro.train.metrics import Metrics
from spro.train.state import RunState
from spro.verify import Verdict
from tests.unit.train.builders import make_judge
from tests.unit.train.scripted import (
    ScriptedEngine,
    Silent,
    build,
    lines_of,
    make_config,
    replace_learning_rate,
    scripted_verifier,
)


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
    what = "skipped_updates 1: loss or gradient is not finite, that share of the updates was left out"
    assert display.lines == [f"step 2: {what}; the batch is in {kept}"]
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
    assert "Begin another run with a lower learning_rate" in said
    assert "from model.path=" in said
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
    assert f"as watch.on_collapse says. The last checkpoint from before is {good}; if its accuracy" in said
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
