"""What a sandbox is asked to run, within which limits, and what it saw. Expected outputs never come this way."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = object
"""Plain data: None, bool, int, float, complex, str, bytes, and list, tuple, set, frozenset, dict of them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. Defaults suit competition problems.

    Attributes:
        cpu_s: CPU seconds of each process of one test, as the kernel counts them; the limit that is meant, since a busy
            machine does not consume it. A program that forks can use more in all: up to ``processes`` times as much at
            a time, and again in later forks, until ``wall_s`` ends it. What its first process has waited for counts
            with that once it has ended.
        wall_s: seconds of one test by the clock, against sleeping and forking; three times ``cpu_s`` by default.
        total_s: seconds by the clock of all tests together; those not reached are lost.
        memory_bytes: address space of each process.
        total_memory_bytes: resident memory of all processes together, kept by a watchdog outside.
        processes: at a time.
        file_bytes: of one file.
        folder_bytes: of the working folder.
        files: in the working folder, where the level can tell.
        output_bytes: of standard output, a test.
        error_bytes: of standard error that are kept, a test; more is drained and dropped.
        open_files: descriptors of a process.
    """

    cpu_s: int = 5
    wall_s: float = 15.0
    total_s: float = 60.0
    memory_bytes: int = 2**30
    total_memory_bytes: int = 2**30
    processes: int = 16
    file_bytes: int = 8 * 2**20
    folder_bytes: int = 64 * 2**20
    files: int = 10_000
    output_bytes: int = 2**20
    error_bytes: int = 64 * 2**10
    open_files: int = 64


@dataclass(frozen=True, slots=True)
class Job:
    """One program and the inputs of its tests; each test begins in a fresh process.

    Attributes:
        source: Python.
        inputs: one a test. Bytes for standard input or, with ``function``, the tuple of positional arguments.
        function: to call with the arguments, a name of the module or a method of its class ``Solution``; ``None`` runs
            the program as a script.
    """

    source: str
    inputs: tuple[bytes, ...] | tuple[tuple[Value, ...], ...]
    function: str | None = None


class RunStatus(StrEnum):
    """How the run of one test ended."""

    FINISHED = "finished"
    """By itself, with exit code 0; it says nothing of whether the output is right."""
    FAILED = "failed"
    """By an exception, another exit code or a signal; also when the function is not there."""
    TIMEOUT = "timeout"
    """It used more than its seconds, of the CPU or by the clock."""
    MEMORY = "memory"
    """It used more than its memory."""
    OUTPUT = "output"
    """It wrote more than its bytes of standard output."""
    LOST = "lost"
    """Not known: the program broke the sandbox's driver, or was still at an earlier test when all time was up."""


@dataclass(frozen=True, slots=True)
class TestRun:
    """What was seen of one test; all of it is the program's word, and none of it is trusted further than compared.

    Attributes:
        status: how it ended.
        stdout: of a script, up to the limit.
        value: what the function returned, as plain data; meaningful only when ``finished``.
        detail: one line for a human, such as the last line of a traceback.
    """

    __test__ = False  # pytest would take it for a test

    status: RunStatus
    stdout: bytes = b""
    value: Value = None
    detail: str = ""
