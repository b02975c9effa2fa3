"""How the trainer and a worker talk: one JSON object a message, its length before it, over a pipe.

Both ends use these functions. Nothing here unpickles or evaluates; a message that is no JSON object is an error.
"""

import json
import math
import os
import select
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_LENGTH = struct.Struct(">I")
MAX_MESSAGE_BYTES = 16 * 2**20


class Outcome(StrEnum):
    """What became of one request inside the worker."""

    ANSWERED = "answered"
    """The handler returned; the body is its answer."""
    TIMEOUT = "timeout"
    """The work took longer than it may."""
    MEMORY = "memory"
    """The work needed more memory than it may have."""
    FAILED = "failed"
    """The handler raised something else: a fault of ours, not of the request."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker says to one request.

    Attributes:
        outcome: what became of the request.
        body: the handler's answer; empty unless the outcome is ``answered``.
        detail: one line for a human when the outcome is ``failed``.
        retire: the worker asks to be replaced, because the request has left it swollen.
    """

    outcome: Outcome
    body: dict[str, Any] = field(default_factory=dict)
    detail: str = ""
    retire: bool = False


def send(descriptor: int, message: Mapping[str, object], deadline: float | None) -> None:
    """Write one message.

    Args:
        descriptor: the writing end of a pipe; non-blocking where a deadline is given.
        message: what ``json`` can write; lone surrogates travel as escapes.
        deadline: on the clock of ``time.monotonic``, in seconds; ``None`` waits for ever.

    Raises:
        EOFError: the reader is gone.
        TimeoutError: the deadline passed.
    """
    body = json.dumps(message).encode("ascii")
    rest = memoryview(_LENGTH.pack(len(body)) + body)
    while rest:
        _wait(descriptor, select.POLLOUT, deadline)
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BrokenPipeError:
            raise EOFError("the reader of the pipe is gone") from None


def receive(descriptor: int, deadline: float | None, max_bytes: int = MAX_MESSAGE_BYTES) -> dict[str, Any]:
    """Read one message.

    Args:
        descriptor: the reading end of a pipe.
        deadline: on the clock of ``time.monotonic``, in seconds; ``None`` waits for ever.
        max_bytes: that a message may have.

    Raises:
        EOFError: the writer is gone, before or amid a message.
        TimeoutError: the deadline passed.
        ValueError: the bytes are no message of ours.
    """
    (length,) = _LENGTH.unpack(_read(descriptor, _LENGTH.size, deadline))
    if length > max_bytes:
        raise ValueError(f"a message of {length} bytes exceeds {max_bytes}")
    message = json.loads(_read(descriptor, length, deadline))
    if not isinstance(message, dict):
        raise ValueError("a message is not a JSON object")
    return message


def _read(descriptor: int, count: int, deadline: float | None) -> bytes:
    parts: list[bytes] = []
    while count > 0:
        _wait(descriptor, select.POLLIN, deadline)
        part = os.read(descriptor, min(count, 2**16))
        if not part:
            raise EOFError("the writer of the pipe is gone")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _wait(descriptor: int, event: int, deadline: float | None) -> None:
    # poll, not select: a trainer easily holds more than 1024 descriptors. A deadline already past still polls once,
    # so that a reply that lies ready is not thrown away only because this process was not scheduled in time.
    poller = select.poll()
    poller.register(descriptor, event)
    remaining = None if deadline is None else max(0, math.ceil((deadline - time.monotonic()) * 1000))
    if not poller.poll(remaining):
        raise TimeoutError("the deadline passed")
