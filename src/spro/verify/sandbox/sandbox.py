"""A sandbox that was proven to work."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from spro.errors import SandboxError
from spro.verify.sandbox.cage import Cage, Level
from spro.verify.sandbox.job import Job, Limits, TestRun
from spro.verify.sandbox.runner import run_job
from spro.verify.sandbox.uids import Uids

_logger = logging.getLogger("spro.verify")
_PAUSE_S = 0.5
_UIDS = Uids()
os.register_at_fork(after_in_child=_UIDS.begin_anew)


@dataclass(frozen=True, slots=True)
class Sandbox:
    r"""Runs programs that nobody has read. Any number of threads may use it.

    Example:
        >>> sandbox = choose_sandbox()
        >>> sandbox.run(Job("print(sum(map(int, input().split())))", (b"1 2",)))
        [TestRun(status=<RunStatus.FINISHED: 'finished'>, stdout=b'3\n', value=None, detail='')]

    Attributes:
        cage: how programs are confined.
        why: one line for people: why this level and no other.
    """

    cage: Cage = field(repr=False)
    why: str

    @property
    def level(self) -> Level:
        """How well programs are confined."""
        return self.cage.level

    def run(
        self,
        job: Job,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        stop: threading.Event | None = None,
    ) -> list[TestRun]:
        """Run a program on all its inputs.

        Args:
            job: the program and its inputs.
            limits: of all that it uses.
            stop: ends the program within a second when another thread sets it.

        Returns:
            One run an input, in order.

        Raises:
            SandboxError: the sandbox did not come up, twice, or was stopped; never for what the program did.
        """
        if not job.inputs:
            return []
        stop = threading.Event() if stop is None else stop
        try:
            return self._run(job, limits, stop)
        except SandboxError as error:
            if stop.is_set():
                raise
            _logger.warning("%s; once more", error)
            # Nothing of the program has run yet. What is short, such as processes, may be there a moment later.
            stop.wait(_PAUSE_S)
            return self._run(job, limits, stop)

    def _run(self, job: Job, limits: Limits, stop: threading.Event) -> list[TestRun]:
        with _user(self.cage) as uid:
            return run_job(self.cage, job, limits, uid, stop)


@contextlib.contextmanager
def _user(cage: Cage) -> Iterator[int | None]:
    """The user that a program runs as: another one where this one is root."""
    if os.geteuid() != 0 or cage.level is Level.NONE:
        yield None
    else:
        with _UIDS.lend() as uid:
            yield uid
