"""The worker's side of the pool: confine this process, then answer one request after another.

A worker program ends with ``serve(handle)`` and is started by ``spro.verify.workers.pool``, which passes the memory
limit in bytes as the last argument.
"""

import ctypes
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spro.verify.verdict import one_line
from spro.verify.workers.wire import Outcome, Reply, receive, send

MEMORY_EXIT_CODE = 77
"""Exit code of a worker so short of memory that it cannot even say so."""

MAX_REQUEST_BYTES = 2**30
"""The trainer is trusted; a reward function is given a whole batch at once."""

_PR_SET_PDEATHSIG = 1
# The log is a file on the trainer's disk; a library that prints without end must not fill it.
_LOG_BYTES = 2**20

Handler = Callable[[Mapping[str, Any]], dict[str, Any]]


def limit_resources() -> None:
    """The limits of a worker that reads hostile text: address space, files, and no log of it."""
    _limit(resource.RLIMIT_AS, int(sys.argv[-1]))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, _LOG_BYTES)
    # Libraries log whole responses when they give up on one.
    logging.disable(logging.CRITICAL)


def serve(handle: Handler, confine: Callable[[], None] = limit_resources) -> None:
    """Answer requests from standard input until it closes.

    Args:
        handle: one request to one answer, both JSON objects. It raises ``TimeoutError`` when the work took too long
            and ``MemoryError`` when it needed too much; anything else that it raises counts as a fault of ours.
        confine: what limits this process before the first request.
    """
    requests, replies = _take_pipes()
    _belong_to_the_trainer()
    confine()
    send(replies, {"ready": True}, None)
    while True:
        try:
            request = receive(requests, None, max_bytes=MAX_REQUEST_BYTES)
        except EOFError:
            return
        try:
            send(replies, asdict(_answer(handle, request)), None)
        except EOFError:
            return
        except MemoryError:
            os._exit(MEMORY_EXIT_CODE)


def is_swollen() -> bool:
    """Whether this process has ever held over half of the address space that it may; False where nothing tells.

    Not from ``getrusage``: its maximum survives ``exec``, so a large trainer's worker would begin with the trainer's.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return False
    peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmPeak:")), 0)
    return limit != resource.RLIM_INFINITY and peak > limit // 2


def _answer(handle: Handler, request: Mapping[str, Any]) -> Reply:
    try:
        body = handle(request)
        # What one request left behind is missing to the next, which would then fail without fault of its own.
        return Reply(Outcome.ANSWERED, body, retire=is_swollen())
    except TimeoutError:
        return Reply(Outcome.TIMEOUT)
    except MemoryError:
        return Reply(Outcome.MEMORY)
    except Exception as error:
        return Reply(Outcome.FAILED, detail=one_line(f"{type(error).__name__}: {error}"))


def _take_pipes() -> tuple[int, int]:
    # The protocol moves to private descriptors; whoever prints or reads afterwards meets the log and the void.
    requests, replies = os.dup(0), os.dup(1)
    void = os.open(os.devnull, os.O_RDONLY)
    os.dup2(void, 0)
    os.close(void)
    os.dup2(2, 1)
    return requests, replies


def _belong_to_the_trainer() -> None:
    # Control-C is for the trainer, which closes its pool; a worker killed by it would look like a crash.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # The end of the pipe says the same, but only to a worker that reads, not to one amid a long computation.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (lowest, lowest))
