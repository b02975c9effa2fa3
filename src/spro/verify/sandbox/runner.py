"""One job in one cage, from start to end: hand over the inputs, read what the driver says, never hang.

Two parties may fail. Until the driver says that the first test begins, nothing of the program has run, so a failure is
the machine's: ``SandboxError``. After that it is the program's doing, whatever it is: a policy must not be able to
make its own response unscored.
"""

import contextlib
import json
import logging
import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from spro.errors import SandboxError
from spro.verify.sandbox import driver, values
from spro.verify.sandbox.cage import Cage
from spro.verify.sandbox.interpreter import interpreter
from spro.verify.sandbox.job import Job, Limits, RunStatus, TestRun, Value
from spro.verify.sandbox.watchdog import Watchdog, tasks
from spro.verify.verdict import one_line

_logger = logging.getLogger("spro.verify")

START_S = 60.0
"""Seconds that a sandbox may take to come up; generous, for a loaded machine is no error."""
_GRACE_S = 10.0  # beyond a test's own seconds, for the driver to notice and clean up
_LONG_S = 10.0  # a wait that a human would wonder about
_TICK_S = 0.1
_HEADER_BYTES = 2**14
_LOG_BYTES = 2**14
_OWN_PROCESSES = 3  # bwrap's init, the driver, and one to spare

_TEXT = Path(values.__file__).read_text() + Path(driver.__file__).read_text()
# -I without its -E: the variables are the cage's own, and one of them fixes the order of sets.
_FLAGS = ("-s", "-P", "-S", "-B", "-X", "utf8", "-c")


class _BrokenError(Exception):
    """The driver is gone or speaks nonsense; one line."""


def run_job(cage: Cage, job: Job, limits: Limits, uid: int | None, stop: threading.Event) -> list[TestRun]:
    """Run all tests of a job in one start of a cage.

    Args:
        cage: where.
        job: what; with a function, inputs are plain data.
        limits: how much of everything.
        uid: see ``Cage.start``.
        stop: ends it early when set.

    Returns:
        One run an input, in order; those after a break are ``lost``.

    Raises:
        SandboxError: nothing of the program ran, for a reason that is not the program's; or it was stopped.
    """
    frames = [_header(cage, job, limits), *_inputs(job)]
    # The driver keeps the input of one test in the working folder, which must have room for it besides.
    room = limits.folder_bytes + max(len(frame) for frame in frames) + len(job.source) * 4
    command = (interpreter().executable, *_FLAGS, _TEXT)
    process = cage.start(command, replace(limits, folder_bytes=room), uid)
    try:
        return _Exchange(process, frames, limits, stop).finish(job)
    finally:
        cage.end(process, uid)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


class _Exchange:
    """The talk with one driver: everything that is written to it and read from it goes through one ``poll``."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", frames: list[bytes], limits: Limits, stop: threading.Event
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._limits = limits
        self._stop = stop
        self._requests = process.stdin.fileno()
        self._replies = process.stdout.fileno()
        self._words = process.stderr.fileno()
        self._unsent = [memoryview(part) for frame in frames for part in (driver.LENGTH.pack(len(frame)), frame)]
        self._unsent.reverse()
        self._unread = bytearray()
        self._log = bytearray()
        self._poller = select.poll()
        for descriptor, event in (
            (self._requests, select.POLLOUT),
            (self._replies, select.POLLIN),
            (self._words, select.POLLIN),
        ):
            os.set_blocking(descriptor, False)
            self._poller.register(descriptor, event)
        self._watchdog = Watchdog(process.pid, limits.total_memory_bytes)
        # One process alone is held by its own limit.
        self._is_watched = limits.memory_bytes * limits.processes > limits.total_memory_bytes
        self._is_over_memory = False
        self._next_look = time.monotonic() + _TICK_S

    def finish(self, job: Job) -> list[TestRun]:
        """All runs; see ``run_job``."""
        self._wait_start()
        end = time.monotonic() + self._limits.total_s
        runs: list[TestRun] = []
        while len(runs) < len(job.inputs):
            try:
                if runs:
                    self._expect(driver.BEGIN, end, "a test to begin")
                runs.append(self._run(end, job.function is not None))
            except TimeoutError:
                runs.append(TestRun(RunStatus.TIMEOUT, detail=f"{self._limits.total_s:g} s of all tests were up"))
                break
            except _BrokenError as error:
                status = RunStatus.MEMORY if self._is_over_memory else RunStatus.LOST
                runs.append(TestRun(status, detail=str(error)))
                break
        missing = len(job.inputs) - len(runs)
        return runs + [TestRun(RunStatus.LOST, detail="an earlier test ended the sandbox")] * missing

    def _wait_start(self) -> None:
        end = time.monotonic() + START_S
        try:
            self._expect(driver.READY, end, "a sandbox to start")
            self._expect(driver.BEGIN, end, "a sandbox to take its first test")
        except TimeoutError:
            raise SandboxError(f"a sandbox did not start within {START_S:g} s") from None
        except _BrokenError as error:
            raise SandboxError(one_line(f"a sandbox did not start: {error} {self._last_words()}")) from None

    def _run(self, end: float, is_call: bool) -> TestRun:
        own = time.monotonic() + self._limits.wall_s + _GRACE_S
        try:
            return self._result(min(end, own), is_call)
        except TimeoutError:
            if own < end:
                raise _BrokenError("the sandbox fell silent") from None
            raise

    def _result(self, end: float, is_call: bool) -> TestRun:
        what = "the end of a test"
        header = self._message(end, what)
        stdout = self._frame(end, what, self._limits.output_bytes)
        encoded = self._frame(end, what, self._limits.output_bytes)
        try:
            status = RunStatus(header["status"])
            detail = one_line(str(header["detail"]))
        except (KeyError, ValueError) as error:
            raise _BrokenError(one_line(f"the sandbox speaks nonsense: {error}")) from None
        value: Value = None
        if is_call and status is RunStatus.FINISHED:
            try:
                value = values.decode(encoded)
            except ValueError as error:
                return TestRun(RunStatus.FAILED, detail=one_line(f"the function returned {error}"))
        return TestRun(status, stdout, value, detail)

    def _expect(self, message: dict[str, str], end: float, what: str) -> None:
        if self._message(end, what) != message:
            raise _BrokenError("the sandbox speaks out of turn")

    def _message(self, end: float, what: str) -> dict[str, Any]:
        try:
            message = json.loads(self._frame(end, what, _HEADER_BYTES))
        except (ValueError, RecursionError) as error:
            raise _BrokenError(one_line(f"the sandbox speaks nonsense: {error}")) from None
        if not isinstance(message, dict):
            raise _BrokenError("the sandbox speaks nonsense")
        return message

    def _frame(self, end: float, what: str, limit: int) -> bytes:
        (length,) = driver.LENGTH.unpack(self._take(driver.LENGTH.size, end, what))
        if length > limit:
            raise _BrokenError(f"the sandbox sent {length} bytes, more than {limit}")
        return self._take(length, end, what)

    def _take(self, count: int, end: float, what: str) -> bytes:
        began = said = time.monotonic()
        while len(self._unread) < count:
            now = time.monotonic()
            if self._stop.is_set():
                raise SandboxError("stopped")
            if now >= end:
                raise TimeoutError
            if now - said > _LONG_S:
                said = now
                _logger.warning("waiting for %s since %.0f s, for at most %.0f s more", what, now - began, end - now)
            self._move(min(_TICK_S, end - now))
            if self._is_over():
                raise _BrokenError(f"its processes held more than {self._limits.total_memory_bytes} bytes together")
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        return taken

    def _is_over(self) -> bool:
        now = time.monotonic()
        # Bytes may move many times a tick, and to look at all processes is no small thing.
        if self._is_watched and now >= self._next_look:
            self._next_look = now + _TICK_S
            self._is_over_memory = self._watchdog.is_exceeded()
        return self._is_over_memory

    def _move(self, seconds: float) -> None:
        """Let bytes move in all directions, for at most some seconds."""
        for descriptor, _ in self._poller.poll(seconds * 1000 + 1):
            if descriptor == self._requests:
                self._write()
            elif descriptor == self._words:
                self._log += self._read(descriptor)
                del self._log[:-_LOG_BYTES]
            else:
                piece = self._read(descriptor)
                if not piece:
                    raise _BrokenError("the sandbox ended")
                self._unread += piece

    def _write(self) -> None:
        try:
            while self._unsent:
                rest = self._unsent[-1][os.write(self._requests, self._unsent[-1]) :]
                if rest:
                    self._unsent[-1] = rest
                else:
                    self._unsent.pop()
        except BlockingIOError:
            return
        except BrokenPipeError:
            # The end of the replies says the same, in its turn.
            self._unsent.clear()
        # A pipe with nothing to say on it, or nobody to hear, would wake every wait.
        self._poller.unregister(self._requests)

    def _read(self, descriptor: int) -> bytes:
        try:
            piece = os.read(descriptor, 2**18)
        except BlockingIOError:
            return b""
        if not piece:
            self._poller.unregister(descriptor)
        return piece

    def _last_words(self) -> str:
        # Whoever closed the pipe has said all that it had to say.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        with contextlib.suppress(OSError):
            self._log += os.read(self._words, _LOG_BYTES)
        lines = self._log.decode("utf-8", "replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return f"(exit code {self._process.returncode}): {last}"


def _header(cage: Cage, job: Job, limits: Limits) -> bytes:
    others = 0 if cage.owns_count else tasks(os.geteuid())
    allowed = replace(limits, processes=limits.processes + _OWN_PROCESSES + others)
    header = {
        "source": job.source,
        "function": job.function,
        "tests": len(job.inputs),
        "limits": asdict(allowed),
        "owns_signals": cage.owns_signals,
        "owns_folder": cage.owns_folder,
    }
    return json.dumps(header).encode("ascii")


def _inputs(job: Job) -> Iterator[bytes]:
    for given in job.inputs:
        if job.function is None:
            assert isinstance(given, bytes)
            yield given
        else:
            yield values.encode(given, _refuse)


def _refuse(value: object) -> object:
    raise TypeError(f"an argument of type {type(value).__name__} is no plain data")
