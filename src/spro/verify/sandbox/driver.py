"""The program inside the sandbox: takes a job from a pipe, forks once a test, says what it saw.

It travels as text (``python -c``), behind that of ``values.py``, so both import only the standard library; the trainer
imports it for the frames. It knows the inputs and nothing else. What it says is not trusted: the program under test
runs as the same user and may kill it.
"""

import _sitebuiltins
import builtins
import contextlib
import gc
import io
import json
import os
import pkgutil  # noqa: F401 - runpy wants it, once here instead of in every child
import resource
import runpy
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

if __name__ != "__main__":
    # Inside, its text stands above.
    from spro.verify.sandbox.values import decode, encode

LENGTH = struct.Struct(">I")
"""What precedes every frame: its number of bytes."""
READY = {"at": "ready"}
"""First frame of the driver: it is up and confined, and nothing of the program has run."""
BEGIN = {"at": "begin"}
"""Second frame of the driver, and first of each test: from here on all is the program's doing."""

_PROGRAM = "program.py"
_VALUE = 3  # descriptor through which a child hands over what its function returned
_STACK_BYTES = 64 * 2**20  # more would leave no address space for the stacks of threads
_TICK_MS = 50


def _send(descriptor: int, *bodies: bytes) -> None:
    _write_all(descriptor, b"".join(LENGTH.pack(len(body)) + body for body in bodies))


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _receive(descriptor: int, count: int | None = None) -> Iterator[bytes]:
    """One frame, or so many bytes, in pieces: a large input is never held."""
    rest = LENGTH.unpack(b"".join(_receive(descriptor, LENGTH.size)))[0] if count is None else count
    while rest > 0:
        piece = os.read(descriptor, min(rest, 2**20))
        if not piece:
            raise EOFError("the trainer is gone")
        rest -= len(piece)
        yield piece


class Stream:
    """One pipe of a test: drained to its end whatever happens, kept up to a limit."""

    def __init__(self, limit: int, *, tail: bool) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.kept = bytearray()
        self.is_over = False
        self._limit = max(1, limit)
        self._tail = tail

    def drain(self) -> None:
        """Take what is there."""
        with contextlib.suppress(BlockingIOError):
            # A bounded number of pieces: a program that writes without pause must not keep its own deadline away.
            for _ in range(64):
                piece = os.read(self.reader, 2**16)
                self.kept += piece
                if self._tail:
                    del self.kept[: -self._limit]
                elif len(self.kept) > self._limit:
                    self.is_over = True
                    del self.kept[self._limit :]

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self.reader)
        os.close(self.writer)


class Test:
    """The run of one test, seen by the driver."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = job
        limits = job["limits"]
        # Prints of a function are nobody's business, so they cannot be too many either.
        self.out = Stream(limits["output_bytes"], tail=job["function"] is not None)
        self.err = Stream(limits["error_bytes"], tail=True)
        self.value = Stream(limits["output_bytes"], tail=False)
        self.streams = (self.out, self.err, self.value)
        self.is_late = self.is_crowded = False

    def watch(self, child: int, wake: int) -> tuple[int, float]:
        """Wait for the child's end or its deadline; its wait status and CPU seconds."""
        deadline = time.monotonic() + self.job["limits"]["wall_s"]
        poller = select.poll()
        for reader in (wake, *(stream.reader for stream in self.streams)):
            poller.register(reader, select.POLLIN)
        while True:
            ended, status, usage = os.wait4(child, os.WNOHANG)
            rest = deadline - time.monotonic()
            self.is_late = not ended and rest <= 0
            self.is_crowded = self.is_crowded or self._count_files() > self.job["limits"]["files"]
            if not ended and (self.is_late or self.is_crowded or self.out.is_over or self.value.is_over):
                os.kill(child, signal.SIGKILL)
                ended, status, usage = os.wait4(child, 0)
            if ended:
                return status, usage.ru_utime + usage.ru_stime
            poller.poll(min(rest * 1000 + 1, _TICK_MS))
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
            for stream in self.streams:
                stream.drain()

    def _count_files(self) -> int:
        # Each takes memory of the kernel's that no limit counts.
        room = os.statvfs(self.job["folder"])
        return room.f_files - room.f_ffree if self.job["owns_folder"] else 0

    def report(self, status: int, cpu_s: float) -> list[bytes]:
        """The three frames of a result: what happened, standard output, and the encoded value."""
        is_call = self.job["function"] is not None
        for stream in self.streams:
            stream.drain()
        lines = self.err.kept.decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        code = os.waitstatus_to_exitcode(status)
        verdict, detail = "failed", last or (f"exit code {code}" if code >= 0 else str(signal.strsignal(-code)))
        if self.out.is_over or self.value.is_over:
            verdict, detail = "output", ""
        elif self.is_crowded:
            verdict, detail = "memory", f"more than {self.job['limits']['files']} files"
        elif self.is_late:
            verdict, detail = "timeout", f"{self.job['limits']['wall_s']:g} s by the clock"
        # Of the first process and of what it waited for; what it forked and left has seconds of its own.
        elif code == -signal.SIGXCPU or cpu_s >= self.job["limits"]["cpu_s"]:
            verdict, detail = "timeout", f"{self.job['limits']['cpu_s']:g} s of the CPU"
        elif code == 0 and is_call and not self.value.kept:
            detail = "it ended before the function returned"
        elif code == 0:
            verdict, detail = "finished", ""
        elif code > 0 and last.startswith("MemoryError"):
            verdict = "memory"
        header = json.dumps({"at": "end", "status": verdict, "detail": detail[:500]}).encode("ascii")
        return [header, b"" if is_call else bytes(self.out.kept), bytes(self.value.kept) if is_call else b""]


def drive() -> Callable[[], None]:
    """Run all tests of one job. Comes back only in a child, with what that child is to do; the driver exits."""
    requests, replies = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    job = json.loads(b"".join(_receive(requests)))
    # By its whole name it can still be asked about, and opened again, when a program has closed it to its user.
    job["folder"] = os.getcwd()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A signal for the end of a child interrupts the wait for its output.
    wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # What children do not look at on their way out, they need not copy.
    gc.freeze()
    _send(replies, json.dumps(READY).encode("ascii"))
    for _ in range(job["tests"]):
        _write(_PROGRAM, [job["source"].encode("utf-8", "surrogatepass")])
        _write("input", _receive(requests))
        given = os.open("input", os.O_RDONLY)
        os.unlink("input")
        test = Test(job)
        held, starter = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(starter)
            return lambda: _become(job, test, given, held)
        os.close(held)
        os.close(given)
        _send(replies, json.dumps(BEGIN).encode("ascii"))
        # Only now may the program begin, so that it cannot be gone before the trainer knows that it ran.
        os.close(starter)
        status, cpu_s = test.watch(child, wake)
        _sweep(child, job["owns_signals"])
        _send(replies, *test.report(status, cpu_s))
        for stream in test.streams:
            stream.close()
        if not _empty(job["folder"]):
            # What one test has left must not reach the next, so the next one is not begun.
            os._exit(1)
    os._exit(0)


def _write(name: str, pieces: Iterable[bytes]) -> None:
    with open(name, "wb") as file:
        file.writelines(pieces)


def _sweep(child: int, owns_signals: bool) -> None:
    """End what a test has left running, as far as this place allows; collects what is ours to collect."""
    # Never as root: where that could be told to sweep everything, everything would be the machine.
    target = -1 if owns_signals and os.geteuid() != 0 else -child
    # Below the init of a namespace of its own, nothing else being there means that all are gone; elsewhere others are.
    pauses = 10 if os.getppid() == 1 else 2
    for turn in range(pauses):
        try:
            os.kill(target, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(2**turn / 2000)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _empty(folder: str) -> bool:
    """Remove what is in a folder; whether nothing is left, as there is of one that is very deep."""
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
    with contextlib.suppress(OSError, RecursionError):
        for entry in list(os.scandir(folder)):
            with contextlib.suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                elif _empty(entry.path):
                    os.rmdir(entry.path)
        return not os.listdir(folder)
    return False


def _become(job: Mapping[str, Any], test: Test, given: int, held: int) -> None:
    """Turn this fork into a fresh interpreter about to run the program, wait for the start, and run it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    is_call = job["function"] is not None
    if is_call:
        arguments: Any = decode(os.read(given, os.fstat(given).st_size))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    else:
        os.dup2(given, 0)
    os.dup2(test.out.writer, 1)
    os.dup2(test.err.writer, 2)
    _restrict(job["limits"])
    os.read(held, 1)
    value = os.dup2(test.value.writer, _VALUE, inheritable=False)
    os.closerange(_VALUE + 1, 1024)
    _open_standard_streams()
    sys.argv[:] = [_PROGRAM]
    if not is_call:
        runpy.run_path(_PROGRAM, run_name="__main__")
        return
    namespace = runpy.run_path(_PROGRAM, run_name="solution")
    function = _find(namespace, job["function"])
    _write_all(value, encode(function(*arguments)))


def _find(namespace: Mapping[str, Any], name: str) -> Any:
    solution: Any = namespace.get("Solution")
    if solution is not None and hasattr(solution, name):
        return getattr(solution(), name)
    if name in namespace:
        return namespace[name]
    raise NameError(f"the program defines no function {name!r}")


def _restrict(limits: Mapping[str, Any]) -> None:
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_STACK, _STACK_BYTES),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
    ):
        # A second more of the CPU for who ignores the signal. It is each process's own: forks may use more together,
        # as many as there may be, until the clock ends the test.
        hard = value + 1 if kind == resource.RLIMIT_CPU else value
        _, given = resource.getrlimit(kind)
        ceiling = hard if given == resource.RLIM_INFINITY else min(hard, given)
        resource.setrlimit(kind, (min(value, ceiling), ceiling))


def _open_standard_streams() -> None:
    # Those of the driver know that they were pipes. The modes are the interpreter's own in UTF-8 mode.
    source = io.BufferedReader(io.FileIO(0, "r", closefd=False))
    sink, log = (io.BufferedWriter(io.FileIO(number, "w", closefd=False)) for number in (1, 2))
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(source, "utf-8", "surrogateescape")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(sink, "utf-8", "surrogateescape", "\n")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(log, "utf-8", "backslashreplace", "\n", True)  # type: ignore[misc]
    # Without the site module, which brings the trainer's packages too, these common names would be missing.
    builtins.exit = _sitebuiltins.Quitter("exit", "")
    builtins.quit = _sitebuiltins.Quitter("quit", "")


if __name__ == "__main__":
    drive()()
