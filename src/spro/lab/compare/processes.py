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
from pathlib import Path
from types import FrameType

PAUSE_S = 0.05
"""Between two looks at the children."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Job:
    """One process to run.

    Attributes:
        name: of the run that it belongs to.
        words: behind the interpreter: a module and its arguments.
        log: file that both streams are appended to.
    """

    name: str
    words: Sequence[str]
    log: Path


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

    def note(number: int, frame: FrameType | None) -> None:
        stop.number, stop.times = number, stop.times + 1

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.getsignal(each) for each in wanted if signal.getsignal(each) is not signal.SIG_IGN}
    for each in before:
        signal.signal(each, note)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


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
        self._told = 0

    def run(
        self,
        jobs: list[Job],
        ended: Callable[[Job, int], Sequence[Job]],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Run all of ``jobs`` and what follows from them.

        Args:
            jobs: to begin in this order.
            ended: (job, exit code) -> the jobs that come next, before all others; minus a signal for one that was
                killed. Not called once a stop is asked for.
            pause: waits that many seconds between two looks.
        """
        waiting = list(jobs)
        try:
            while self._running or (waiting and self._stop.number is None):
                while waiting and len(self._running) < self._at_once and self._stop.number is None:
                    self._start(waiting.pop(0))
                self._pass_on()
                for job, code in self._ended():
                    if self._stop.number is None:
                        waiting[:0] = ended(job, code)
                pause(PAUSE_S)
        finally:
            for process in self._running.values():
                process.kill()
                process.wait()

    def _start(self, job: Job) -> None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
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

    def _ended(self) -> list[tuple[Job, int]]:
        found = [(job, process.poll()) for job, process in self._running.items()]
        for job, code in found:
            if code is not None:
                del self._running[job]
        return [(job, code) for job, code in found if code is not None]

    def _pass_on(self) -> None:
        """Ask for the end, once gently; the second time there is no asking."""
        if self._stop.times > self._told:
            for process in self._running.values():
                process.send_signal(signal.SIGTERM if self._told == 0 else signal.SIGKILL)
            self._told = self._stop.times


def _die_with(parent: int) -> Callable[[], None]:
    """What a child does first: it is killed when its parent dies, however that dies."""

    def belong() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return belong
