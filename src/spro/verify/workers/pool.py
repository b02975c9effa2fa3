"""Long-lived worker processes for work that may hang, crash or eat the memory.

Model text can keep a computer-algebra system busy for ever, and a thread cannot be ended; a process can. The deadline
is the parent's: it holds for code that ignores signals too. Failures are told apart, since each deserves another
verdict: too slow, too large, or not the request's fault at all.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from spro.errors import ConfigError, WorkerError
from spro.verify.closing import Closing
from spro.verify.workers.process import WorkerDiedError, WorkerProcess
from spro.verify.workers.wire import Outcome, Reply

MATH_PROGRAM = ("-m", "spro.verify.math.worker")
_ATTEMPTS = 2
_PATIENCE_S = 10.0
_LOG = logging.getLogger("spro.verify")


@dataclass
class _Slot:
    """A place for a worker; empty until it is needed and after its worker was ended."""

    worker: WorkerProcess | None = None

    def stop(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.stop()


class WorkerPool(Closing):
    """At most ``size`` worker processes, each with one request at a time; callable from any thread.

    Workers start when first needed, never as a fork of the trainer, and are replaced after ``calls_per_worker``
    requests and after every request that did not end well.

    Example:
        >>> with WorkerPool(size=1, timeout_s=10.0) as pool:
        ...     pool.ask({"gold": "1/2", "answer": "0.5", "seconds": 8.0}).body["status"]
        'correct'

    Args:
        size: number of workers, at least 1.
        timeout_s: seconds that one request may take by the clock, counted from when its worker is up and answering.
        memory_bytes: limit of each worker's address space.
        program: what the workers run, see ``WorkerProcess``.
        start_timeout_s: seconds that a worker may take to come up; generous, for a loaded machine is no error.
        calls_per_worker: requests after which a worker is replaced, against slow leaks.
        spares: workers beyond ``size`` that are kept up, so that whoever comes after a killed one need not wait for
            the next to start. The first starts after the first answer; those taken are replaced in the background.
        cpu_timeout_s: seconds of the CPU that one request may take; a busy machine does not consume them.

    Raises:
        ConfigError: a size or a time that is not positive.
    """

    def __init__(
        self,
        size: int,
        timeout_s: float,
        memory_bytes: int = 2 * 2**30,
        *,
        program: Sequence[str] = MATH_PROGRAM,
        start_timeout_s: float = 60.0,
        calls_per_worker: int = 2000,
        spares: int = 0,
        cpu_timeout_s: float = math.inf,
    ) -> None:
        if size < 1:
            raise ConfigError(f"a worker pool of size {size} can do nothing; give it 1 worker or more")
        if not (math.isfinite(timeout_s) and timeout_s > 0):
            raise ConfigError(f"a worker's timeout of {timeout_s} s is impossible; give a positive number of seconds")
        self._timeout_s = timeout_s
        self._cpu_timeout_s = cpu_timeout_s
        self._memory_bytes = memory_bytes
        self._program = tuple(program)
        self._start_timeout_s = start_timeout_s
        self._calls_per_worker = calls_per_worker
        self._slots = [_Slot() for _ in range(size)]
        self._spares_wanted = spares
        # Its lock is never held while anything is awaited.
        self._spares: list[WorkerProcess] = []
        self._spares_lock = threading.Lock()
        # Last in, first out: a caller alone keeps one warm worker busy, and the others are never started.
        self._idle: queue.LifoQueue[_Slot] = queue.LifoQueue()
        for slot in self._slots:
            self._idle.put(slot)
        # Linux ties the death signal to the *thread* that started a child. A thread of the pool's own starts them all,
        # so that a worker does not die with whichever short-lived thread happened to need it first.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="spro-worker-starter")
        self._lock = threading.Lock()
        self._is_closed = False
        self._last_return = time.monotonic()
        # A program that cannot come up is not started over and over for the sake of a spare.
        self._has_answered = False

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes that are up now."""
        return [worker.pid for slot in self._slots if (worker := slot.worker) is not None]

    @property
    def spare_pids(self) -> list[int]:
        """Numbers of the processes that wait to take the place of another."""
        with self._spares_lock:
            return [worker.pid for worker in self._spares]

    def ask(self, request: Mapping[str, object]) -> Reply:
        """Have one request answered; waits for an idle worker first, outside the deadline.

        Waiting ends in any case: once no call has come back for the time that one may take at most.

        Args:
            request: a JSON object, as the workers' program expects it.

        Returns:
            A reply whose outcome is ``answered``, ``timeout`` or ``memory``, never ``failed``.

        Raises:
            WorkerError: two workers failed for a reason that is not known to be the request's, no worker
                became idle, or the pool is closed.
        """
        slot = self._take()
        try:
            return self._ask(slot, request)
        except BaseException:
            # An exchange cut short (Control-C) would hand its late reply to the next caller.
            slot.stop()
            raise
        finally:
            self._last_return = time.monotonic()
            self._idle.put(slot)
            self._warm()

    def close(self) -> None:
        """End every worker at once, and with it requests under way; twice does no harm."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            for slot in self._slots:
                if (worker := slot.worker) is not None:
                    worker.kill()
        with self._spares_lock:
            spares, self._spares = self._spares, []
        for worker in spares:
            worker.stop()
        # Each slot comes back as its caller notices that the worker is gone; only its holder may stop a worker.
        for _ in self._slots:
            self._take().stop()
        # Callers still in the queue must find something there, to learn that the pool is closed.
        for slot in self._slots:
            self._idle.put(slot)
        self._starter.shutdown()

    def _ask(self, slot: _Slot, request: Mapping[str, object]) -> Reply:
        fault = ""
        for _ in range(_ATTEMPTS):
            try:
                worker = self._start(slot)
                worker.wait_ready(self._start_timeout_s)
                reply = worker.ask(request, self._timeout_s, self._cpu_timeout_s)
            except WorkerDiedError as death:
                slot.stop()
                fault = str(death)
                continue
            # A worker interrupted amid its work is not trusted with the next request.
            is_spent = reply.retire or worker.calls >= self._calls_per_worker
            if is_spent or reply.outcome is not Outcome.ANSWERED:
                slot.stop()
            if reply.outcome is not Outcome.FAILED:
                self._has_answered = True
                return reply
            fault = reply.detail
        raise WorkerError(f"it failed {_ATTEMPTS} times, each in a fresh process; the last: {fault}")

    def _take(self) -> _Slot:
        longest = _ATTEMPTS * (2 * self._start_timeout_s + self._timeout_s) + _PATIENCE_S
        began = time.monotonic()
        while True:
            try:
                return self._idle.get(timeout=_PATIENCE_S)
            except queue.Empty:
                # A queue that moves is no news.
                silence = time.monotonic() - max(began, self._last_return)
            if silence > _PATIENCE_S:
                _LOG.warning("waiting for one of %d workers, none idle for %.0f s", len(self._slots), silence)
            if silence > longest:
                raise WorkerError(f"none of {len(self._slots)} workers became idle within {longest:.0f} s")

    def _start(self, slot: _Slot) -> WorkerProcess:
        worker = slot.worker
        if not self._is_closed and worker is None:
            # Without the lock, which whoever closes the pool needs.
            worker = self._take_spare() or self._new(self._starter.submit(self._make))
        with self._lock:
            if not self._is_closed and worker is not None:
                slot.worker = worker
                return worker
        if worker is not None:
            worker.stop()
        raise WorkerError("the worker pool is closed")

    def _make(self) -> WorkerProcess:
        return WorkerProcess(self._program, self._memory_bytes)

    def _new(self, start: Future[WorkerProcess]) -> WorkerProcess:
        try:
            return start.result(timeout=self._start_timeout_s)
        except TimeoutError:
            # It may come up after all; nobody is there to use it then.
            start.add_done_callback(_stop_late)
            raise WorkerDiedError(f"the system did not start a worker within {self._start_timeout_s:g} s") from None

    def _take_spare(self) -> WorkerProcess | None:
        with self._spares_lock:
            if not self._spares:
                return None
            worker = self._spares.pop()
        if worker.is_alive:
            return worker
        worker.stop()
        return None

    def _warm(self) -> None:
        with self._lock, self._spares_lock:
            if not self._is_closed and len(self._spares) < self._spares_wanted and self._has_answered:
                self._starter.submit(self._add_spare)

    def _add_spare(self) -> None:
        # On the starter's thread, which alone adds spares; so two requests for one make one.
        with self._spares_lock:
            if self._is_closed or len(self._spares) >= self._spares_wanted:
                return
        try:
            worker = self._make()
        except WorkerDiedError as death:
            _LOG.warning("no spare worker: %s", death)
            return
        with self._spares_lock:
            if not self._is_closed:
                self._spares.append(worker)
                return
        worker.stop()


def _stop_late(start: Future[WorkerProcess]) -> None:
    if start.exception() is None:
        start.result().stop()
