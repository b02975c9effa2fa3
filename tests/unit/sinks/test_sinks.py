"""All sinks together: what each is given, and what becomes of one that fails."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from spro.config import LogConfig
from spro.errors import ConfigError
from spro.sinks import Label, Sinks, build_sinks
from spro.sinks.sink import Open

LABEL = Label(Path("run"), "spro", "run", {})
LOGGED = [(0, {"eval/accuracy": 0.1}), (1, {"loss": 0.5, "kl": None})]


class Kept:
    """A sink in memory, which holds some steps already and breaks at one."""

    def __init__(self, last: int = -1, breaks_at: int | None = None, breaks_at_its_end: bool = False) -> None:
        self.place = "memory"
        self.last = last
        self.breaks_at = breaks_at
        self.breaks_at_its_end = breaks_at_its_end
        self.first: int | None = None
        self.shown: list[tuple[int, dict[str, float]]] = []
        self.closed = 0

    def open(self, label: Label, first: int) -> "Kept":
        assert label is LABEL
        self.first = first
        return self

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step == self.breaks_at:
            raise ConnectionError("the server\nis gone")
        self.shown.append((step, dict(metrics)))

    def close(self) -> None:
        self.closed += 1
        if self.breaks_at_its_end:
            raise TimeoutError("too late")


def sinks_of(**kept: Kept) -> Sinks:
    openers: dict[str, Open] = {name: one.open for name, one in kept.items()}
    return Sinks(openers, LABEL)


def test_a_run_goes_on_behind_what_each_sink_holds() -> None:
    empty, ahead, behind = Kept(), Kept(last=2), Kept(last=0)
    sinks, lines = sinks_of(empty=empty, ahead=ahead, behind=behind), []
    sinks.open(LOGGED, lines.append)
    for step in (2, 3):
        sinks.log(step, {"loss": step})
    assert empty.first == ahead.first == behind.first == 2
    whole = [(0, {"eval/accuracy": 0.1}), (1, {"loss": 0.5}), (2, {"loss": 2}), (3, {"loss": 3})]
    assert empty.shown == whole
    assert behind.shown == whole[1:]
    assert ahead.shown == whole[3:]
    assert lines == ["empty: memory", "ahead: memory", "behind: memory"]
    sinks.close()
    sinks.close()
    assert [one.closed for one in (empty, ahead, behind)] == [1, 1, 1]


def test_one_that_fails_is_told_once_closed_and_left_out() -> None:
    broken, whole = Kept(breaks_at=2, breaks_at_its_end=True), Kept()
    sinks, lines = sinks_of(broken=broken, whole=whole), []
    sinks.open(LOGGED, lines.append)
    for step in (2, 3, 4):
        sinks.log(step, {"loss": step})
    sinks.close()
    assert [step for step, _ in broken.shown] == [0, 1]
    assert [step for step, _ in whole.shown] == [0, 1, 2, 3, 4]
    assert broken.closed == whole.closed == 1
    (told,) = (line for line in lines if "failed" in line)
    assert told == (
        "broken failed at step 2 and is left out from here on (ConnectionError: the server is gone); metrics.jsonl has "
        "everything, and --resume makes up for it"
    )


def test_one_that_cannot_be_opened_is_left_out() -> None:
    def refuse(label: Label, first: int) -> Kept:
        raise PermissionError("not logged in")

    whole, lines = Kept(), []
    sinks = Sinks({"refused": refuse, "whole": whole.open}, LABEL)
    sinks.open([], lines.append)
    sinks.log(0, {"loss": 1.0})
    sinks.close()
    assert lines[0].startswith("refused cannot be opened and is left out (PermissionError: not logged in)")
    assert whole.shown == [(0, {"loss": 1.0})]


def test_one_that_fails_at_its_end_is_told() -> None:
    sinks, lines = sinks_of(late=Kept(breaks_at_its_end=True)), []
    sinks.open([], lines.append)
    sinks.close()
    assert lines[1].startswith("late failed at its end (TimeoutError: too late)")


def test_a_request_to_end_is_no_failure_of_a_sink() -> None:
    class Interrupting(Kept):
        def log(self, step: int, metrics: Mapping[str, float]) -> None:
            raise KeyboardInterrupt

    sinks = sinks_of(one=Interrupting())
    sinks.open([], lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        sinks.log(0, {"loss": 1.0})


@pytest.mark.parametrize(
    ("name", "module"),
    [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb"), ("trackio", "trackio")],
)
def test_a_library_that_is_missing_is_told_before_anything_is_written(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    section = LogConfig.model_validate({"sinks": [name]})
    with pytest.raises(ConfigError, match=rf"log.sinks names {name}, .*: pip install 'spro\[{name}\]'") as caught:
        build_sinks(section, tmp_path / "run", {})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_no_sink_needs_nothing(tmp_path: Path) -> None:
    sinks = build_sinks(LogConfig(), tmp_path / "run", {})
    sinks.open(LOGGED, lambda line: None)
    sinks.log(2, {"loss": 1.0})
    sinks.close()
    assert not (tmp_path / "run").exists()
