import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from spro.lab.compare.processes import Children, Ended, Job, Kind, Stop

PARENT = """
import os, sys
from pathlib import Path
from spro.lab.compare.processes import Children, Job, Kind, Stop
program = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
job = Job("one", Kind.TRAIN, ("-c", program), Path("log"))
Children(1, Stop(), os.open("lock", os.O_CREAT)).run([job], lambda ended: [])
"""


@pytest.fixture
def lock(tmp_path: Path) -> int:
    descriptor = os.open(tmp_path / "lock", os.O_CREAT)
    yield descriptor  # type: ignore[misc]
    os.close(descriptor)


def wait_until(path: Path) -> str:
    while not (path.is_file() and path.read_text()):
        time.sleep(0.01)
    return path.read_text()


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


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
def wait(name):
    due = time.monotonic() + 30
    while not Path(name).exists():
        if time.monotonic() > due:
            sys.exit(f"{own}: nobody came")
        time.sleep(0.01)
Path(f"{own}.here").touch()
Path(f"{own}.came").touch()
wait(f"{partner}.came")
time.sleep(0.3)
Path(f"{own}.count").write_text(str(len(list(Path().glob("*.here")))))
wait(f"{partner}.count")
Path(f"{own}.here").unlink()
"""
"""Waits for its partner, and counts who is there: one by one they would never come to an end."""


def test_as_many_at_a_time_as_was_said(tmp_path: Path, lock: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    codes: list[int] = []

    def ended(one: Ended) -> Sequence[Job]:
        codes.append(one.code)
        return []

    pairs = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]
    jobs = [Job(own, Kind.TRAIN, ("-c", MEET, own, partner), tmp_path / "log") for own, partner in pairs]
    Children(2, Stop(), lock).run(jobs, ended)
    assert codes == [0] * 4, (tmp_path / "log").read_text()
    assert [int(path.read_text()) for path in sorted(tmp_path.glob("*.count"))] == [2, 2, 2, 2]


DEAF = """
import signal, time
signal.signal(15, lambda *_: print('no', flush=True))
print('up', flush=True)
time.sleep(60)
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
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path) as parent:
        child = int(wait_until(tmp_path / "pid"))
        assert is_alive(child)
        parent.kill()
    while is_alive(child):
        time.sleep(0.01)
