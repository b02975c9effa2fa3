import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spro.errors import ConfigError, RunFolderError
from spro.report import watch_command
from spro.report.live import LiveRun, live_policy


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page rests after it was made; here it may be made again at once."""
    monkeypatch.setattr("spro.report.live.REST", 0.0)


def written_before(folder: Path, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that stands still, however long a page takes."""
    now = 1_700_000_000.0
    os.utime(folder / "metrics.jsonl", (now - seconds, now - seconds))
    monkeypatch.setattr("spro.report.live.time", SimpleNamespace(time=lambda: now, monotonic=time.monotonic))


def append(folder: Path, text: str) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(text)


def test_a_run_that_is_not_there_yet_is_waited_for(tmp_path: Path, parse: Any) -> None:
    live = LiveRun(tmp_path / "run<b>")
    shown = live.show()
    assert (shown.step, shown.state) == ("waiting for the first step", "no metrics.jsonl yet")
    assert "Training run run<b>" in parse(shown.page).shown
    (tmp_path / "run<b>").mkdir()
    append(tmp_path / "run<b>", '{"step": 1, "accu')
    assert live.show().version == shown.version
    append(tmp_path / "run<b>", 'racy": 0.5}\n')
    assert live.show().step == "step 1"
    assert "chart-accuracy" in live.show().page


def test_a_page_is_made_anew_when_and_only_when_a_file_changed(full: Any, training: Any) -> None:
    live = LiveRun(full.path)
    first = live.show()
    assert live.show().page is first.page
    append(full.path, json.dumps({"step": 121, "accuracy": 0.9}) + "\n")
    second = live.show()
    assert (first.step, second.step) == ("step 120", "step 121")
    full.rollouts(121, [])
    third = live.show()
    full.config("train:\n  steps: 200\n")
    assert live.show().step == "step 121 of 200"
    assert len({first.version, second.version, third.version, live.show().version}) == 4


def test_half_a_line_is_no_step_and_no_trouble(full: Any) -> None:
    live = LiveRun(full.path)
    append(full.path, '{"step": 121, "accu')
    shown = live.show()
    assert shown.step == "step 120"
    assert "written" in shown.state


def test_a_run_that_is_damaged_keeps_its_last_page_and_says_why(full: Any) -> None:
    live = LiveRun(full.path)
    good = live.show()
    append(full.path, "junk\n{}\n")
    shown = live.show()
    assert (shown.version, shown.page) == (good.version, good.page)
    assert "line 122 is no JSON object" in shown.state
    (full.path / "metrics.jsonl").unlink()
    assert live.show().state == "metrics.jsonl is gone; this is its last page"


def test_a_page_that_cannot_be_made_says_so_until_it_can(full: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in what a run may hold: nobody knows which, so the script of the page is taken away."""
    live = LiveRun(full.path)
    good = live.show()
    monkeypatch.setattr("spro.report.live.package_file", lambda name: (full.path / "none" / name).read_text())
    append(full.path, json.dumps({"step": 121, "accuracy": 0.9}) + "\n")
    for _ in range(2):
        shown = live.show()
        assert shown.page is good.page
        assert shown.state.startswith("the page of now cannot be made (FileNotFoundError: ")
        assert shown.state.endswith("); this is the last one")
    monkeypatch.undo()
    append(full.path, json.dumps({"step": 122, "accuracy": 0.9}) + "\n")
    assert live.show().step == "step 122"
    assert "cannot be made" not in live.show().state


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "written 3 s ago"), (30, "written 30 s ago"), (2000, "nothing new for 33 min 20 s: it was stopped, or")],
)
def test_how_long_ago_it_was_written(full: Any, seconds: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written_before(full.path, seconds, monkeypatch)
    assert LiveRun(full.path).show().state.replace("\u00a0", " ").startswith(words)


def test_a_run_of_long_steps_is_not_given_up_early(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.metrics([{"step": 1, "time/step_s": 600.0}])
    written_before(folder.path, 2000, monkeypatch)
    assert LiveRun(folder.path).show().state.replace("\u00a0", " ") == "written 33 min 20 s ago"


@pytest.mark.parametrize(("steps", "is_finished"), [("120", True), ("121", False), ("true", False), ("many", False)])
def test_a_finished_run_says_so(full: Any, steps: str, is_finished: bool) -> None:
    full.config(f"train:\n  steps: {steps}\n")
    assert (LiveRun(full.path).show().state == "finished") == is_finished


def test_many_may_ask_at_once(full: Any) -> None:
    live = LiveRun(full.path)
    seen: list[str] = []
    threads = [threading.Thread(target=lambda: seen.append(live.show().page)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len({id(page) for page in seen}) == 1


def test_a_page_may_ask_its_own_server_and_no_other(full: Any, parse: Any) -> None:
    page = LiveRun(full.path).show().page
    policy = next(a["content"] for a in parse(page).named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.endswith("; base-uri 'none'; connect-src 'self'")
    assert live_policy() == f"{policy}; frame-ancestors 'none'"


def test_the_page_on_disk_may_ask_nobody(full: Any, page_of: Callable[[Any], str]) -> None:
    page = page_of(full)
    assert "connect-src" not in page
    assert "fetch(" not in page


def test_what_cannot_be_watched(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="is a file"):
        watch_command(tmp_path / "file")
    with pytest.raises(RunFolderError, match="file is a file: check the path"):
        watch_command(tmp_path / "file" / "run")
    with pytest.raises(ConfigError, match="port -1 is none"):
        watch_command(tmp_path, -1)
