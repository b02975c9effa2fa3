"""One worker process, seen from the trainer: start it, ask it, end it."""

import contextlib
import logging
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from spro.verify.verdict import one_line
from spro.verify.workers.serve import MEMORY_EXIT_CODE
from spro.verify.workers.wire import Outcome, Reply, receive, send

_LAST_WORDS_BYTES = 4096
_PATIENCE_S = 10.0
_TICK_S = 1.0
_END_TIMEOUT_S = 60.0
_LOG = logging.getLogger("spro.verify")


class WorkerDiedError(Exception):
    """A worker ended, or spoke nonsense, without telling why; the message is one line."""


class _OutOfMemoryError(WorkerDiedError):
    """It ended with the exit code that says so."""


class WorkerProcess:
    """A running worker and the two pipes to it. Used by one thread at a time, ``kill`` excepted.

    Args:
        program: what the interpreter runs: ``("-m", "package.module")`` or ``("/path/of/file.py",)``.
        memory_bytes: limit of its address space.

    Raises:
        WorkerDiedError: the system refused to start it.
    """

    def __init__(self, program: Sequence[str], memory_bytes: int) -> None:
        self.calls = 0
        self._is_ready = False
        self._is_stopped = False
        try:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker; stop() closes it
        except OSError as error:
            raise WorkerDiedError(one_line(f"no file for a worker's log: {error}")) from error
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", *program, str(memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                env=_environment(),
                cwd="/",
                # Away from the terminal's group: Control-C must not reach a worker that is still importing.
                process_group=0,
            )
        except OSError as error:
            self._log.close()
            raise WorkerDiedError(one_line(f"cannot start a worker: {error}")) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin
        self._replies = self._process.stdout
        os.set_blocking(self._requests.fileno(), False)
        os.set_blocking(self._replies.fileno(), False)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the worker has imported what it needs; returns at once ever after.

        Raises:
            WorkerDiedError: it ended first, or took longer than ``timeout_s`` seconds.
        """
        if self._is_ready:
            return
        try:
            self._receive(time.monotonic() + timeout_s, "to start")
        except TimeoutError:
            raise WorkerDiedError(f"a worker did not start within {timeout_s:g} s") from None
        self._is_ready = True

    def ask(self, request: Mapping[str, object], timeout_s: float, cpu_timeout_s: float = math.inf) -> Reply:
        """One request, one reply. After anything but ``answered`` the caller must ``stop`` the worker.

        Args:
            request: a JSON object.
            timeout_s: seconds from now to the whole reply, by the clock.
            cpu_timeout_s: seconds of the CPU that the worker may use for it.

        Raises:
            WorkerDiedError: the worker ended or spoke nonsense.
        """
        self.calls += 1
        # The position is shared with the worker; what it said of the last request is nobody's business any more.
        os.truncate(self._log.fileno(), 0)
        os.lseek(self._log.fileno(), 0, os.SEEK_SET)
        deadline = time.monotonic() + timeout_s
        try:
            # A dead reader shows again, and better explained, when the reply is awaited.
            with contextlib.suppress(EOFError):
                send(self._requests.fileno(), request, deadline)
            message = self._receive(deadline, "to answer", cpu_timeout_s)
        except TimeoutError:
            return Reply(Outcome.TIMEOUT)
        except _OutOfMemoryError:
            return Reply(Outcome.MEMORY)
        try:
            return Reply(Outcome(message["outcome"]), message["body"], message["detail"], message["retire"])
        except (KeyError, ValueError) as error:
            raise WorkerDiedError(one_line(f"a worker's reply makes no sense: {error}")) from error

    def kill(self) -> None:
        """End the process and what it has started now; from any thread. ``stop`` must still follow."""
        # Its group, which it leads: a function may have started others, and they must not outlive it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the process and what it has started, collect it and close what belongs to it. Twice does no harm."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self.kill()
        self._await_end()
        self._requests.close()
        self._replies.close()
        self._log.close()

    def _await_end(self) -> None:
        began = time.monotonic()
        while time.monotonic() - began < _END_TIMEOUT_S:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_PATIENCE_S)
                return
            _LOG.warning("waiting for worker %d to end, killed %.0f s ago", self.pid, time.monotonic() - began)
        # Stuck in the kernel; init collects it some day.
        _LOG.error("worker %d does not end though killed; it is left behind", self.pid)

    def _receive(self, deadline: float, what: str, cpu_timeout_s: float = math.inf) -> dict[str, Any]:
        self._await_reply(deadline, what, cpu_timeout_s)
        try:
            return receive(self._replies.fileno(), deadline)
        except ValueError as error:
            raise WorkerDiedError(one_line(f"a worker's reply makes no sense: {error}")) from error
        except EOFError:
            raise self._death() from None

    def _death(self) -> WorkerDiedError:
        # The pipe can close a moment before the process can be collected.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        if self._process.returncode == MEMORY_EXIT_CODE:
            return _OutOfMemoryError("a worker ended for want of memory")
        return WorkerDiedError(one_line(f"a worker ended ({_cause(self._process.returncode)}) {self._last_words()}"))

    def _await_reply(self, deadline: float, what: str, cpu_timeout_s: float) -> None:
        poller = select.poll()
        poller.register(self._replies.fileno(), select.POLLIN)
        began, last_word = time.monotonic(), time.monotonic()
        cpu_end = self._cpu_s() + cpu_timeout_s
        while (now := time.monotonic()) < deadline:
            patience = min(deadline - now, _TICK_S, max(cpu_end - self._cpu_s(), 0.0))
            if poller.poll(math.ceil(patience * 1000)):
                return
            if self._cpu_s() >= cpu_end:
                raise TimeoutError("the worker has used its seconds of the CPU")
            # Where it has left a child behind, the pipe does not close with it.
            if not self.is_alive and not poller.poll(0):
                raise self._death()
            if time.monotonic() - last_word >= _PATIENCE_S:
                last_word = time.monotonic()
                _LOG.warning("waiting for worker %d %s, for %.0f s so far", self.pid, what, last_word - began)

    def _cpu_s(self) -> float:
        """Seconds of the CPU that the process has used; 0 where that cannot be told, and then the clock ends a wait."""
        try:
            # The clock of a process's CPU time, as clock_getcpuclockid(3) makes it; Python has no name for that.
            return time.clock_gettime(~self.pid << 3 | 2)
        except OSError:
            return 0.0

    def _last_words(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        # pread: the worker shares this file's position.
        tail = os.pread(self._log.fileno(), _LAST_WORDS_BYTES, max(0, size - _LAST_WORDS_BYTES))
        lines = tail.decode("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")


def _cause(returncode: int | None) -> str:
    if returncode is None:
        return "it closed its pipe"
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def _environment() -> dict[str, str]:
    # Nothing of the trainer's environment: model text is parsed over there, and tokens and keys live in variables.
    # LD_LIBRARY_PATH is what some interpreters need to start at all.
    environment = {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        # With gmpy2 installed, sympy computes in C code that no signal interrupts.
        "SYMPY_GROUND_TYPES": "python",
    }
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment
