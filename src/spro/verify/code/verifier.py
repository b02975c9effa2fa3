"""Programs: what share of a problem's tests does the last Python fence of a response pass?

The program runs in a sandbox, which is told inputs only; what it gave is compared here (``compare.py``).
"""

import os
import threading
from collections.abc import Callable
from typing import Protocol

from spro.errors import ConfigError, DataError, SandboxError, SandboxUnavailableError
from spro.verify.closing import Closing
from spro.verify.code.fence import MAX_SOURCE_LENGTH, extract_python
from spro.verify.code.glimpse import glimpse_of, kind_of
from spro.verify.code.tests import CodeTests, problem_with
from spro.verify.sandbox import Job, Limits, RunStatus, TestRun, choose_sandbox
from spro.verify.verdict import Status, Verdict, one_line

_NO_PROGRAM = (
    f"it has no Python fence, or the last one is unclosed, blank, or longer than {MAX_SOURCE_LENGTH} characters"
)

PRIME_TESTS = 10
"""Tests that count in PRIME's code reward: the first ten of the row."""


class ProgramRunner(Protocol):
    """What a program is run in, such as ``sandbox.Sandbox``; threads may do so at the same time."""

    @property
    def why(self) -> str:
        """One line for people: what it is, and why no other."""
        ...

    def run(self, job: Job, limits: Limits, stop: threading.Event, /) -> list[TestRun]:
        """One run for each input, in order.

        Raises:
            SandboxError: it failed for a reason that is not the program's, and again when tried once more; or another
                thread has set ``stop``, which ends the program at once.
        """
        ...


class CodeVerifier(Closing):
    r"""Judges the program of a response by the tests that it passes; see ``extract_python`` and ``CodeTests.read``.

    The score is the share of tests passed. A program that passes none has the status ``timeout`` or ``memory`` when its
    first test ended so. Tests that were not reached within ``limits.total_s`` are not passed.

    Any thread may call it, and up to ``workers`` programs run at a time. Nothing runs between calls, and ``close`` ends
    what runs in one.

    What it does not guard against: a problem of which several outputs are right (its row holds one), and tests that a
    constant passes.

    Example:
        >>> verify = CodeVerifier()
        >>> verify("```python\nprint(int(input()) + 1)\n```", '{"inputs": ["1"], "outputs": ["2"]}').score
        1.0

    Args:
        choose: gives what programs run in; asked once, when first needed. By default the best that works here.
        limits: of one response.
        max_tests: only the first so many tests of a row count, in its order; ``None`` for all.
        prime_compat: PRIME's rule, under which only the first ten tests count.
        workers: programs at a time, at least 1.

    Raises:
        ConfigError: no worker, or no test.
    """

    def __init__(
        self,
        choose: Callable[[], ProgramRunner] = choose_sandbox,
        limits: Limits | None = None,
        *,
        max_tests: int | None = None,
        prime_compat: bool = False,
        workers: int = 2,
    ) -> None:
        if workers < 1:
            raise ConfigError(f"a code verifier needs at least one worker, not {workers}")
        self._choose = choose
        self._sandbox: ProgramRunner | None = None
        self._unavailable: SandboxUnavailableError | None = None
        self._limits = Limits() if limits is None else limits
        self._max_tests = _tests_that_count(max_tests, prime_compat)
        self._workers = workers
        self._stop = threading.Event()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Let a fork use it: threads that held a lock, or were running a program, are not there. The sandbox stays."""
        self._choosing = threading.Lock()
        self._slots = threading.BoundedSemaphore(self._workers)
        was_closed, self._stop = self._stop.is_set(), threading.Event()
        if was_closed:
            self._stop.set()

    def prepare(self) -> str:
        """Choose the sandbox now, so that a machine without one is known before the first response.

        Returns:
            One line on which it is.

        Raises:
            SandboxUnavailableError: none works here; its line says what to do.
        """
        return f"sandbox: {self._chosen().why}"

    def problem_with(self, ground_truth: str) -> str:
        """Why nothing can be graded against a ground truth; empty when something can."""
        return problem_with(ground_truth)

    def __call__(self, response: str, ground_truth: str) -> Verdict:
        """Judge one response.

        Args:
            response: the whole text; only its last Python fence is looked at.
            ground_truth: the tests, in the text form that ``CodeTests.read`` describes.

        Returns:
            ``unscored`` when the ground truth is malformed, the sandbox failed for a reason that is not the program's,
            or the verifier was closed; the detail names it.

        Raises:
            SandboxUnavailableError: none works here; ``prepare`` finds that early.
        """
        try:
            tests = CodeTests.read(ground_truth)
        except DataError as error:
            return Verdict(None, Status.UNSCORED, detail=one_line(str(error)))
        return self.judge(response, tests)

    def judge(self, response: str, tests: CodeTests, max_tests: int | None = None) -> Verdict:
        """Judge one response by tests that have been read already.

        Args:
            response: as in a call.
            tests: whose values may be any plain data, such as tuples and sets, that JSON cannot hold.
            max_tests: only the first so many count, for this response; besides the verifier's own rule.
        """
        source = extract_python(response)
        if source is None:
            return Verdict(0.0, Status.NO_ANSWER, detail=_NO_PROGRAM)
        tests = tests.first(self._max_tests).first(max_tests)
        job = Job(source, tests.inputs, tests.function)
        try:
            runs = self._run(job)
        except SandboxError as error:
            return Verdict(None, Status.UNSCORED, extracted=source, detail=one_line(str(error)))
        return _verdict(source, tests, runs)

    def close(self) -> None:
        """End the programs that run now, within a second; their callers, and all later ones, get ``unscored``."""
        self._stop.set()

    def _run(self, job: Job) -> list[TestRun]:
        self._check_open()
        sandbox = self._chosen()
        with self._slots:
            self._check_open()
            try:
                runs = sandbox.run(job, self._limits, self._stop)
            except SandboxError:
                self._check_open()
                raise
        if len(runs) != len(job.inputs):
            raise SandboxError(f"the sandbox returned {len(runs)} runs for {len(job.inputs)} tests")
        return runs

    def _check_open(self) -> None:
        if self._stop.is_set():
            raise SandboxError("the verifier was closed")

    def _chosen(self) -> ProgramRunner:
        with self._choosing:
            if self._unavailable is not None:
                # To find that out takes seconds, and would be found out again for each response.
                raise SandboxUnavailableError(str(self._unavailable))
            if self._sandbox is None:
                try:
                    self._sandbox = self._choose()
                except SandboxUnavailableError as error:
                    self._unavailable = error
                    raise
            return self._sandbox


def verify_code(
    response: str, tests: str | CodeTests, *, max_tests: int | None = None, prime_compat: bool = False
) -> Verdict:
    """Judge one response with the default limits, in a sandbox that is chosen once for the process.

    Any thread may call it, and a process forked from this one; as many programs run at a time as there are processors
    for this process.

    Args:
        response: the whole text; only its last Python fence is looked at.
        tests: the ground truth of a row, or tests that have been read already.
        max_tests: only the first so many tests count; ``None`` for all.
        prime_compat: PRIME's rule, under which only the first ten tests count.

    Returns:
        As ``CodeVerifier`` does.

    Raises:
        ConfigError: no test counts, or no sandbox works here.
    """
    count = _tests_that_count(max_tests, prime_compat)
    for what, given, kinds in (("response", response, str), ("tests", tests, str | CodeTests)):
        if not isinstance(given, kinds):
            raise TypeError(f"the {what} came as a {type(given).__name__}; give text")
    try:
        tests = CodeTests.read(tests) if isinstance(tests, str) else tests
    except DataError as error:
        return Verdict(None, Status.UNSCORED, detail=one_line(str(error)))
    return _shared.judge(response, tests, count)


def _tests_that_count(max_tests: int | None, prime_compat: bool) -> int | None:
    if max_tests is not None and max_tests < 1:
        raise ConfigError(f"max_tests is {max_tests}; at least one test must count")
    if not prime_compat:
        return max_tests
    return PRIME_TESTS if max_tests is None else min(max_tests, PRIME_TESTS)


def _verdict(source: str, tests: CodeTests, runs: list[TestRun]) -> Verdict:
    passed = [tests.is_passed(number, run) for number, run in enumerate(runs)]
    count = sum(passed)
    if count == len(passed):
        return Verdict(1.0, Status.CORRECT, extracted=source)
    first = passed.index(False)
    reason = _failure(tests.outputs[first], tests.function is None, runs[first])
    detail = one_line(f"{count} of {len(passed)} tests passed; test {first + 1}: {reason}")
    return Verdict(count / len(passed), _status(count, runs[first]), extracted=source, detail=detail)


def _status(count: int, first_failure: TestRun) -> Status:
    if count:
        return Status.PARTIAL
    by_run = {RunStatus.TIMEOUT: Status.TIMEOUT, RunStatus.MEMORY: Status.MEMORY}
    return by_run.get(first_failure.status, Status.WRONG)


def _failure(gold: object, is_script: bool, run: TestRun) -> str:
    """Why a test is not passed; what was expected is only hinted at, for the detail is printed and kept."""
    if run.status is not RunStatus.FINISHED:
        # The program's own words: they must not steer a terminal.
        words = "".join(character if character.isprintable() else " " for character in run.detail)
        name = "too much output" if run.status is RunStatus.OUTPUT else str(run.status)
        return f"{name}: {words}" if words else name
    given = run.stdout if is_script else run.value
    what = "output" if is_script else "value"
    return f"wrong {what} {glimpse_of(given)} (expected {kind_of(gold)})"


def _processors() -> int:
    # A container or a scheduler may allow fewer than the machine has; not every system can say so.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_shared = CodeVerifier(workers=_processors())
os.register_at_fork(after_in_child=_shared.begin_anew)
