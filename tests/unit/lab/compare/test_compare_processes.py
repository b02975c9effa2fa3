import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from spro.lab.compare.processes import Children, Job, Stop

PARENT = """
import os, sys
from pathlib import Path
from spro.lab.compare.processes import Children, Job, Stop
job = Job("one", ("-c", f"import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"), Path("log"))
Children(1, Stop(), os.open("lock", os.O_CREAT)).run([job], lambda job, code: [])
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


def test_what_follows_from_a_job_comes_before_what_waits(tmp_path: Path, lock: int) -> None:
    log, order = tmp_path / "log", []

    def ended(job: Job, code: int) -> Sequence[Job]:
        order.append((job.name, code))
        return [Job("after-a", ("-c", "print('second')"), log)] if job.name == "a" else []

    jobs = [Job("a", ("-c", "print('first')"), log), Job("b", ("-c", "raise SystemExit(3)"), log)]
    Children(1, Stop(), lock).run(jobs, ended)
    assert order == [("a", 0), ("after-a", 0), ("b", 3)]
    assert log.read_text() == "first\nsecond\n"


def test_no_more_at_a_time_than_was_said(tmp_path: Path, lock: int) -> None:
    program = "import os, time; open(f'{os.getpid()}.on', 'w'); time.sleep(0.3); os.remove(f'{os.getpid()}.on')"
    most = 0

    def ended(job: Job, code: int) -> Sequence[Job]:
        nonlocal most
        most = max(most, 1 + len(list(tmp_path.glob("*.on"))))
        return []

    words = ("-c", f"import os; os.chdir({str(tmp_path)!r}); {program}")
    Children(2, Stop(), lock).run([Job(str(n), words, tmp_path / "log") for n in range(5)], ended)
    assert most <= 2


def test_one_that_does_not_listen_is_killed_at_the_second_signal(tmp_path: Path, lock: int) -> None:
    deaf = "import signal, time; signal.signal(15, lambda *_: print('no', flush=True))"
    program = f"{deaf}; print('up', flush=True); time.sleep(60)"
    stop, log = Stop(), tmp_path / "log"
    children = Children(1, stop, lock)
    asked: list[int] = []

    def no_more(job: Job, code: int) -> Sequence[Job]:
        raise AssertionError("what ends after a stop was asked for is nobody's result")

    def pause(seconds: float) -> None:
        said = log.read_text() if log.is_file() else ""
        if ("no" if stop.times else "up") in said and stop.times < 2:
            stop.number, stop.times = signal.SIGTERM, stop.times + 1
            asked.append(stop.times)
        time.sleep(seconds)

    children.run([Job("deaf", ("-c", program), log), Job("late", ("-c", "print('late')"), log)], no_more, pause)
    assert asked == [1, 2]
    assert log.read_text() == "up\nno\n"


def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path) as parent:
        child = int(wait_until(tmp_path / "pid"))
        assert is_alive(child)
        parent.kill()
    while is_alive(child):
        time.sleep(0.01)
