"""Ctrl-C, SIGTERM and a closed terminal: the first one ends the run where nothing is lost, the second one at once."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spro.signals import on_signals

STOPPING = "spro: stopping and saving; once more to stop at once"


class Interrupted(Exception):  # noqa: N818  # no error: somebody wanted it
    """A stop was asked for, and what is being done can be left: the run is still that of before."""


@dataclass(slots=True)
class StopRequest:
    """Whether somebody asked the run to end, and by which signal.

    Rollout, grading, scoring and update ask ``check`` between their small parts. Once an optimizer has moved in a step,
    the step is ``committed`` and goes on to its end: half of it could not be resumed.
    """

    signal_number: int | None = None
    committed: bool = False

    def __bool__(self) -> bool:
        return self.signal_number is not None

    def check(self) -> None:
        """Raise ``Interrupted`` if a stop is asked for and nothing has been changed yet."""
        if self and not self.committed:
            raise Interrupted

    def commit(self) -> None:
        """Something is about to change that cannot be taken back."""
        self.committed = True

    def release(self) -> None:
        """What was changed is a whole again."""
        self.committed = False


@contextmanager
def stop_on_signals(request: StopRequest) -> Iterator[None]:
    """Note the first SIGINT, SIGTERM or SIGHUP in ``request``; the one after it has its ordinary effect again."""

    def note(number: int, put_back: Callable[[], None]) -> None:
        request.signal_number = number
        # Not through a stream, which the interrupted code may be in the middle of.
        os.write(2, f"\n{STOPPING}\n".encode())
        put_back()

    with on_signals(note):
        yield
