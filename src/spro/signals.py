"""What a process does at signals that ask for its end, in place of dying of them."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a polite end, and a closed terminal."""


@contextmanager
def on_signals(
    handle: Callable[[int, Callable[[], None]], None], wanted: Sequence[signal.Signals] = ENDING
) -> Iterator[None]:
    """Handle signals within; afterwards they have their ordinary effect again. The main thread alone can.

    Args:
        handle: gets the signal, and a function that gives all of them their ordinary effect again at once.
        wanted: the signals. One that is ignored stays so: under nohup that is the closing of the terminal.
    """

    def caught(number: int, frame: FrameType | None) -> None:
        handle(number, put_back)

    def put_back() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    before = {each: signal.getsignal(each) for each in wanted if signal.getsignal(each) is not signal.SIG_IGN}
    try:
        for each in before:
            signal.signal(each, caught)
        yield
    finally:
        put_back()


def leave(number: int, put_back: Callable[[], None]) -> NoReturn:
    """Leave by an exception, for ``on_signals``: what was begun is cleaned up on the way out."""
    sys.exit(128 + number)
