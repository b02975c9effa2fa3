"""Ctrl-C and SIGTERM: the first one finishes the step and saves, the second one stops at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class StopRequest:
    """Whether somebody asked the run to end, and by which signal."""

    signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; the one after it has its ordinary effect again."""
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        request.signal_number = number
        # Not through a stream, which the interrupted code may be in the middle of.
        os.write(2, b"\nspro: finishing the step, then saving; once more to stop at once\n")
        for each, handler in previous.items():
            signal.signal(each, handler)

    previous = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
