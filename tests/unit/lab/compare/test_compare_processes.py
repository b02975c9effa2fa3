import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from spro.lab.compare.processes import Children, Ended, Job, Kind, Stop
from tests.waiting import children, is_alive, wait_for

PARENT = """
import os, sys
from pathlib import Path
from spro.lab.compare.processes import Children, Job, Kind, Stop
program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
job = Job("one", Kind.TRAIN, ("-c", program), Path("log"))
Children(1, Stop(), os.open("lock", os.O_CREAT)).run([job], lambda ended: [])
"""


@pytest.fixture
def lock(tmp_path: Path) -> int:
    descriptor = os.open(tmp_path / "lock", os.O_CREAT)
    yield descriptor  # type: ignore[misc]
    os.close(descriptor)


def job(name: str, program: str, log: Path) -> Job:
    return Job(name, Kind.TRAIN, ("-c", program), log)


def test_what_follows_from_a_job_comes_before_what_waits(tmp_path: Path, lock: int) -> None:
    log, order = tmp_path / "log", []

    def ended(one: Ended) -> Sequence[Job]:
        order.append((one.job.name, one.code))
        return [job("after-a", "print('second')", log)] if one.job.name == "a" else []

    Children(1, Stop(), lock).run([job("a", "print('first')", log), job("b", "raise SystemExit(3)", log)], ended)
    assert order == [("a", 0), ("after-a", 0), ("b", 3)]
    assert log.read_text() == "first\nsecond\n"


def test_a_process_said_no_more_than_it_did_itself(tmp_path: Path, lock: int) -> None:
    log, said = tmp_path / "log", []
    log.write_text("spro: from an hour ago\n")

    def ended(one: Ended) -> Sequence[Job]:
        said.append(one.said())
        return []

    jobs = [job("a", "print('first')", log), job("b", "", log), job("c", "print('third \\u20ac')", log)]
    Children(1, Stop(), lock).run(jobs, ended)
    assert said == ["first\n", "", "third \u20ac\n"]


MEET = """
import sys, time
from pathlib import Path
own, partner = sys.argv[1:]
Path(own).touch()
due = time.monotonic() + 300
while not Path(partner).exists():
    if time.monotonic() > due:
        sys.exit(f"{own}: nobody came")
    time.sleep(0.01)
"""
"""Waits for its partner: one by one they would never come to an end."""


def test_as_many_at_a_time_as_was_said(tmp_path: Path, lock: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    codes: list[int] = []
    before, most = children(), 0

    def ended(one: Ended) -> Sequence[Job]:
        codes.append(one.code)
        return []

    def pause(seconds: float) -> None:
        nonlocal most
        most = max(most, len(children() - before))
        time.sleep(seconds)

    pairs = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]
    jobs = [Job(own, Kind.TRAIN, ("-c", MEET, own, partner), tmp_path / "log") for own, partner in pairs]
    Children(2, Stop(), lock).run(jobs, ended, pause)
    assert codes == [0] * 4, (tmp_path / "log").read_text()
    assert most <= 2


DEAF = """
import signal, time
signal.signal(15, lambda *_: print('no', flush=True))
print('up', flush=True)
time.sleep(600)
"""


def no_more(one: Ended) -> Sequence[Job]:
    raise AssertionError("what ends after a stop was asked for is nobody's result")


def test_one_that_does_not_listen_is_killed_at_the_second_signal(tmp_path: Path, lock: int) -> None:
    stop, log = Stop(), tmp_path / "log"
    children = Children(1, stop, lock)
    asked: list[int] = []

    def pause(seconds: float) -> None:
        said = log.read_text() if log.is_file() else ""
        if ("no" if stop.times else "up") in said and stop.times < 2:
            stop.number, stop.times = signal.SIGTERM, stop.times + 1
            asked.append(stop.times)
        time.sleep(seconds)

    children.run([job("deaf", DEAF, log), job("late", "print('late')", log)], no_more, pause)
    assert asked == [1, 2]
    assert log.read_text() == "up\nno\n"


def test_two_signals_between_two_looks_are_two(tmp_path: Path, lock: int) -> None:
    stop, log = Stop(), tmp_path / "log"

    def pause(seconds: float) -> None:
        if log.is_file() and "up" in log.read_text() and not stop.times:
            stop.number, stop.times = signal.SIGINT, 2
        time.sleep(seconds)

    Children(1, stop, lock).run([job("deaf", DEAF, log)], no_more, pause)
    assert log.read_text() == "up\n"


def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path) as parent:
        try:
            child = int(wait_for(lambda: log.read_text().rpartition("\n")[0] if log.is_file() else "", 300))
            assert is_alive(child)
        finally:
            parent.kill()
    # By itself it would sleep ten times as long.
    wait_for(lambda: not is_alive(child))
