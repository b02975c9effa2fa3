"""What a step rolls out is a pure function of step and position, and can be left at any time."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from spro.config import DynamicFilter
from spro.rollout import Response, Sampling
from spro.train.gather import Gathered, rolled_out_prompts
from spro.train.group import Group, Prepared
from spro.train.interrupt import Interrupted
from spro.train.loop import Trainer
from tests.unit.train.scripted import ScriptedEngine, Silent, build, make_config

DYNAMIC = DynamicFilter(type="dynamic", oversample_factor=1.0)
KINDS = ["half"] * 2 + ["none"] * 10


class StoppedEngine(ScriptedEngine):
    """A stop is asked for in one of its rollouts."""

    trainer: Trainer
    stop_in: int

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        if len(self.asked) + 1 == self.stop_in:
            self.trainer.stop.signal_number = 15
        return super().generate(prompts, sampling, seed)


def gather(trainer: Trainer, step: int = 1, cursor: int = 0) -> Gathered:
    trainer.gatherer.engine.push(step - 1)
    return trainer.gatherer.gather(step, cursor, Silent())


def test_a_step_gathers_the_same_whenever_it_is_asked(tmp_path: Path) -> None:
    with closing(build(tmp_path / "a", make_config(filter=DYNAMIC), KINDS)) as trainer:
        first, second = gather(trainer), gather(trainer, 2, 3)
    with closing(build(tmp_path / "b", make_config(filter=DYNAMIC), KINDS)) as again:
        assert (gather(again, 2, 3), gather(again)) == (second, first)
    assert first != second


@pytest.mark.parametrize("stop_in", [1, 2])
def test_no_further_batch_is_rolled_out_behind_a_stop_and_nothing_has_changed(tmp_path: Path, stop_in: int) -> None:
    trainer = build(tmp_path, make_config(filter=DYNAMIC), KINDS)
    whole = gather(trainer)
    assert whole.batches > stop_in, "or this test shows nothing"
    engine = StoppedEngine()
    engine.trainer, engine.stop_in = trainer, stop_in
    stopped = replace(trainer, gatherer=replace(trainer.gatherer, engine=engine))
    with pytest.raises(Interrupted):
        gather(stopped)
    assert len(engine.asked) == stop_in
    assert not (trainer.folder.path / "unscored.jsonl").exists()
    trainer.stop.signal_number, engine.stop_in = None, 0
    assert gather(stopped) == whole


def test_nothing_is_prepared_behind_a_stop(tmp_path: Path) -> None:
    prepared: list[int] = []

    def stop(groups: Sequence[Group], seed: int) -> Prepared:
        prepared.append(seed)
        trainer.stop.signal_number = 2
        return Prepared(list(groups), [])

    trainer = build(tmp_path, make_config(), ["half"] * 6, preparations=(stop, stop))
    with pytest.raises(Interrupted):
        gather(trainer)
    assert len(prepared) == 1


def test_what_the_filter_left_and_what_could_be_prepared_of_it_are_both_told(tmp_path: Path) -> None:
    trainer = build(tmp_path, make_config(), ["late"] + ["half"] * 5, more="greedy_rewards")
    gathered = gather(trainer)
    assert len(gathered.groups) == rolled_out_prompts(trainer.config) == 6
    assert len(gathered.kept) == 3
    assert {group.prompt.problem.problem_id for group in gathered.prepared} <= {
        group.prompt.problem.problem_id for group in gathered.kept
    }
    assert all(group.greedy_reward == 1.0 for group in gathered.prepared)
    assert (gathered.cursor, gathered.batches) == (6, 1)
