"""What a run shows beside its folder, and that it closes what it opened, however it ends."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from spro.errors import TrainingError
from spro.sinks import Label, Sinks
from spro.train.loop import Trainer
from tests.unit.train.scripted import Silent, build, lines_of, make_config


class Kept:
    """A sink in memory; at one step it does what it is told to."""

    def __init__(self, at: int = -1, error: BaseException | None = None) -> None:
        self.place, self.last = "memory", -1
        self.at, self.error = at, error
        self.shown: dict[int, dict[str, float]] = {}
        self.closed = 0

    def open(self, label: Label, first: int) -> "Kept":
        self.first = first
        return self

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step == self.at and self.error is not None:
            raise self.error
        assert step not in self.shown
        self.shown[step] = dict(metrics)

    def close(self) -> None:
        self.closed += 1


def trainer(tmp_path: Path, sink: Kept, kinds: list[str], steps: int = 4, resume: bool = False) -> Trainer:
    built = build(tmp_path, make_config(steps=steps), kinds, ["half"] * 4, resume=resume)
    return replace(built, sinks=Sinks({"memory": sink.open}, Label(tmp_path, "spro", "run", {})))


def measured(tmp_path: Path) -> dict[int, dict[str, float]]:
    """The run folder's own."""
    return {
        int(line.pop("step")): {name: value for name, value in line.items() if value is not None}
        for line in lines_of(tmp_path)
    }


def test_all_that_the_folder_keeps_is_shown(tmp_path: Path) -> None:
    sink, display = Kept(), Silent()
    with closing(trainer(tmp_path, sink, ["half"] * 18)) as one:
        one.run(display)
    assert sink.shown == measured(tmp_path)
    assert sorted(sink.shown) == [0, 1, 2, 3, 4]
    assert sink.closed == 1
    assert display.lines == ["memory: memory"]


def test_a_sink_that_fails_changes_nothing(tmp_path: Path) -> None:
    sink, display = Kept(2, ConnectionError("gone")), Silent()
    with closing(trainer(tmp_path, sink, ["half"] * 18)) as one:
        outcome = one.run(display)
    assert outcome.steps == 4
    assert sorted(measured(tmp_path)) == [0, 1, 2, 3, 4]
    assert sorted(sink.shown) == [0, 1]
    assert sink.closed == 1
    assert [line.startswith("memory failed at step 2") for line in display.lines] == [False, True]


def test_it_is_closed_when_the_run_fails_and_gone_on_with_behind_the_checkpoint(tmp_path: Path) -> None:
    failing = Kept(3, KeyboardInterrupt())
    with closing(trainer(tmp_path, failing, ["half"] * 18)) as one, pytest.raises(KeyboardInterrupt):
        one.run(Silent())
    assert failing.closed == 1
    again = Kept()
    with closing(trainer(tmp_path, again, ["half"] * 18, resume=True)) as one:
        one.run(Silent())
    assert again.first == 3, "saved behind step 2"
    assert again.shown == measured(tmp_path)


def test_it_is_closed_when_too_little_can_be_graded(tmp_path: Path) -> None:
    sink = Kept()
    with closing(trainer(tmp_path, sink, ["lost"] * 18)) as one, pytest.raises(TrainingError):
        one.run(Silent())
    assert sorted(sink.shown) == [0]
    assert sink.closed == 1
