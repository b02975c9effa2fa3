"""Child processes: so many at a time, each with a log of its own, none of which outlives this one."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from spro.signals import on_signals

PAUSE_S = 0.05
"""Between two looks at the children."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Kind(StrEnum):
    """What a process does for its run."""

    TRAIN = "train"
    MEASURE = "measure"


@dataclass(frozen=True)
class Job:
    """One process to run.

    Attributes:
        name: of the run that it belongs to.
        kind: what it does.
        words: behind the interpreter: a module and its arguments.
        log: file that both streams are appended to.
    """

    name: str
    kind: Kind
    words: Sequence[str]
    log: Path


@dataclass(frozen=True)
class Ended:
    """A process that is over.

    Attributes:
        job: what it was to do.
        code: its exit code; minus a signal for one that was killed.
        begin: bytes that its log had before it.
    """

    job: Job
    code: int
    begin: int

    def said(self) -> str:
        """What it wrote into its log; earlier processes, of a comparison that was stopped, may have written before it.

        Raises:
            OSError: the log cannot be read.
        """
        with self.job.log.open("rb") as log:
            log.seek(self.begin)
            return log.read().decode("utf-8", "replace")


@dataclass
class Stop:
    """Whether a signal has asked for the end, and how often.

    Attributes:
        number: the signal; None while none came.
        times: that one came.
    """

    number: int | None = None
    times: int = 0


@contextmanager
def noted_signals(stop: Stop) -> Iterator[None]:
    """Note SIGINT, SIGTERM and SIGHUP in ``stop`` instead of dying of them; one that is ignored stays so."""

    def note(number: int, put_back: Callable[[], None]) -> None:
        stop.number, stop.times = number, stop.times + 1

    with on_signals(note):
        yield


class Children:
    """Runs jobs; what becomes of each is told in the order in which they end.

    Args:
        at_once: processes at a time.
        stop: asked for; the children are then asked to save and end, and at the second time they are killed.
        lock: descriptor that the children hold too, so that nobody takes their work for abandoned while one lives.
    """

    def __init__(self, at_once: int, stop: Stop, lock: int) -> None:
        self._at_once, self._stop, self._lock = at_once, stop, lock
        self._running: dict[Job, subprocess.Popen[bytes]] = {}
        self._begins: dict[Job, int] = {}
        self._told = 0

    def run(
        self,
        jobs: list[Job],
        ended: Callable[[Ended], Sequence[Job]],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Run all of ``jobs`` and what follows from them.

        Args:
            jobs: to begin in this order.
            ended: gives the jobs that come next, before all others. Not called once a stop is asked for.
            pause: waits that many seconds between two looks.
        """
        waiting = list(jobs)
        try:
            while self._running or (waiting and self._stop.number is None):
                while waiting and len(self._running) < self._at_once and self._stop.number is None:
                    self._start(waiting.pop(0))
                self._pass_on()
                for one in self._ended():
                    if self._stop.number is None:
                        waiting[:0] = ended(one)
                pause(PAUSE_S)
        finally:
            for process in self._running.values():
                process.kill()
                process.wait()

    def _start(self, job: Job) -> None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            self._begins[job] = log.tell()
            self._running[job] = subprocess.Popen(
                [sys.executable, *job.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **ONE_THREAD},
                pass_fds=(self._lock,),
                # Control-C in a terminal goes to the whole group, and a run that gets it twice ends without saving.
                process_group=0,
                preexec_fn=_die_with(os.getpid()),
            )

    def _ended(self) -> list[Ended]:
        codes = {job: process.poll() for job, process in self._running.items()}
        found = [Ended(job, code, self._begins[job]) for job, code in codes.items() if code is not None]
        for one in found:
            del self._running[one.job]
        return found

    def _pass_on(self) -> None:
        """Ask for the end, once gently; the second time there is no asking, even if both came within one look."""
        if self._stop.times > self._told:
            for process in self._running.values():
                process.send_signal(signal.SIGKILL if self._stop.times > 1 else signal.SIGTERM)
            self._told = self._stop.times


def _die_with(parent: int) -> Callable[[], None]:
    """What a child does first: it is killed when its parent dies, however that dies."""

    def belong() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return belong
