"""From response to verdict, with a sandbox that says what it is told to."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from spro.errors import ConfigError, SandboxError, SandboxUnavailableError
from spro.verify.code import verifier
from spro.verify.code.tests import CodeTests
from spro.verify.code.verifier import CodeVerifier, ProgramRunner, verify_code
from spro.verify.sandbox import Job, Limits, Opaque, RunStatus, TestRun, Value
from spro.verify.verdict import Status, Verdict
from spro.verify.verifier import CheckingVerifier, PooledVerifier, PreparedVerifier

RESPONSE = "```python\nx\n```"
SCRIPT = CodeTests((b"1", b"2", b"3", b"4"), ("1", "2", "3", "4"))


class Told:
    """Gives the runs it was made with, or raises them; remembers what was asked."""

    why = "it was told"

    def __init__(self, answer: Sequence[TestRun] | Exception) -> None:
        self._answer = answer
        self.jobs: list[tuple[Job, Limits]] = []

    def run(self, job: Job, limits: Limits, stop: threading.Event) -> list[TestRun]:
        self.jobs.append((job, limits))
        if isinstance(self._answer, Exception):
            raise self._answer
        return list(self._answer)[: len(job.inputs)]


def out(*texts: str) -> list[TestRun]:
    return [TestRun(RunStatus.FINISHED, stdout=text.encode()) for text in texts]


def judged(*runs: TestRun, tests: CodeTests = SCRIPT) -> Verdict:
    return CodeVerifier(lambda: Told(runs)).judge(RESPONSE, tests)


def test_all_pass() -> None:
    sandbox, limits = Told(out("1", "2", "3", "4")), Limits(cpu_s=3)
    verdict = CodeVerifier(lambda: sandbox, limits).judge(RESPONSE, SCRIPT)
    assert verdict == Verdict(1.0, Status.CORRECT, extracted="x\n")
    assert sandbox.jobs == [(Job("x\n", SCRIPT.inputs), limits)]


def test_some_pass() -> None:
    verdict = judged(*out("1", "2", "  hello\nworld", "4"))
    assert (verdict.score, verdict.status) == (0.75, Status.PARTIAL)
    assert (
        verdict.detail
        == r"3 of 4 tests passed; test 3: wrong output 'hello\nworld' (expected a string of 1 characters)"
    )


def test_none_passes() -> None:
    verdict = judged(*out("", "", "", ""))
    assert (verdict.score, verdict.status) == (0.0, Status.WRONG)
    assert verdict.detail.startswith("0 of 4 tests passed; test 1: wrong output ''")


@pytest.mark.parametrize(
    ("status", "of_none", "of_some"),
    [
        (RunStatus.TIMEOUT, Status.TIMEOUT, Status.PARTIAL),
        (RunStatus.MEMORY, Status.MEMORY, Status.PARTIAL),
        (RunStatus.FAILED, Status.WRONG, Status.PARTIAL),
        (RunStatus.OUTPUT, Status.WRONG, Status.PARTIAL),
        (RunStatus.LOST, Status.WRONG, Status.PARTIAL),
    ],
)
def test_how_the_first_failure_ended(status: RunStatus, of_none: Status, of_some: Status) -> None:
    failure = TestRun(status, stdout=b"1", detail="NameError: x\nis  not")
    verdict = judged(failure, *out("", "", ""))
    assert (verdict.score, verdict.status) == (0.0, of_none)
    name = "too much output" if status is RunStatus.OUTPUT else status
    assert verdict.detail == f"0 of 4 tests passed; test 1: {name}: NameError: x is not"
    assert judged(failure, *out("2", "3", "4")).status is of_some
    assert judged(*out("", "", ""), failure).status is Status.WRONG
    assert judged(TestRun(status), *out("", "", "")).detail == f"0 of 4 tests passed; test 1: {name}"


@pytest.mark.parametrize(
    ("value", "gold", "hint"),
    [
        (7, 8, "wrong value 7 (expected an int)"),
        (0.5, 1.5, "wrong value 0.5 (expected a float)"),
        (None, True, "wrong value None (expected a bool)"),
        (True, None, "wrong value True (expected None)"),
        ([1, 2], "abc", "wrong value a list of 2 (expected a string of 3 characters)"),
        ({1: 2}, (1, 2, 3), "wrong value a dict of 1 (expected a tuple of 3)"),
        ("a" * 50, b"abc", f"wrong value '{'a' * 40}'... (expected a string of 3 bytes)"),
        (b"\xff\n", {1}, "wrong value '\ufffd' (expected a set of 1)"),
        (Opaque("Match"), 1, "wrong value an object of class 'Match' (expected an int)"),
        (10**100, 2j, "wrong value an int (expected a complex)"),
    ],
)
def test_a_wrong_value_in_one_line(value: Value, gold: Value, hint: str) -> None:
    verdict = judged(TestRun(RunStatus.FINISHED, value=value), tests=CodeTests(((),), (gold,), "f"))
    assert verdict.detail == f"0 of 1 tests passed; test 1: {hint}"


def test_an_integer_that_python_refuses_to_write() -> None:
    verdict = judged(TestRun(RunStatus.FINISHED, value=10**5000), tests=CodeTests(((),), (1,), "f"))
    assert verdict.detail == "0 of 1 tests passed; test 1: wrong value an int (expected an int)"


def test_an_expected_output_is_never_told() -> None:
    gold = "the-secret-output"
    verdict = judged(*out("x"), tests=CodeTests((b"",), (gold,)))
    assert gold not in repr(verdict)


def test_a_detail_is_one_short_line() -> None:
    verdict = judged(TestRun(RunStatus.FAILED, detail="\x1b[2Ja\x00b\n" * 10**5), *out("2", "3", "4"))
    assert verdict.detail.isprintable()
    assert len(verdict.detail) <= 200


def test_no_program_needs_no_sandbox() -> None:
    sandbox = Told(out("1"))
    verdict = CodeVerifier(lambda: sandbox).judge("no program", SCRIPT)
    assert (verdict.score, verdict.status) == (0.0, Status.NO_ANSWER)
    assert "no Python fence" in verdict.detail
    assert not sandbox.jobs


def test_ground_truth_in_text() -> None:
    ground_truth = json.dumps({"inputs": [[1, 2]], "outputs": [[3]], "fn_name": "add"})
    sandbox = Told([TestRun(RunStatus.FINISHED, value=3)])
    assert CodeVerifier(lambda: sandbox)(RESPONSE, ground_truth).status is Status.CORRECT
    assert sandbox.jobs[0][0] == Job("x\n", ((1, 2),), "add")


def test_a_malformed_ground_truth_is_not_the_responses_fault() -> None:
    for verdict in (CodeVerifier(lambda: Told(()))(RESPONSE, "{oops"), verify_code(RESPONSE, "{oops")):
        assert verdict == Verdict(None, Status.UNSCORED, detail="the tests are no JSON")


def test_a_sandbox_that_fails_leaves_the_response_unscored() -> None:
    sandbox = Told(SandboxError("cannot\nfork"))
    verdict = CodeVerifier(lambda: sandbox).judge(RESPONSE, SCRIPT)
    assert verdict == Verdict(None, Status.UNSCORED, extracted="x\n", detail="cannot fork")
    # It has tried twice itself.
    assert len(sandbox.jobs) == 1


def test_a_sandbox_that_loses_count_has_failed() -> None:
    verdict = CodeVerifier(lambda: Told(out("1", "2"))).judge(RESPONSE, SCRIPT)
    assert (verdict.status, verdict.detail) == (Status.UNSCORED, "the sandbox returned 2 runs for 4 tests")


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ({}, 20),
        ({"max_tests": 3}, 3),
        ({"max_tests": 100}, 20),
        ({"prime_compat": True}, 10),
        ({"prime_compat": True, "max_tests": 3}, 3),
        ({"prime_compat": True, "max_tests": 15}, 10),
    ],
)
def test_only_the_first_tests_count(words: dict[str, Any], count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = CodeTests(tuple(b"%d" % i for i in range(20)), tuple(str(i) for i in range(20)))
    sandbox = Told(out(*(str(i) if i < 10 else "wrong" for i in range(20))))
    monkeypatch.setattr(verifier, "_shared", CodeVerifier(lambda: sandbox))
    for verdict in (
        CodeVerifier(lambda: sandbox, **words).judge(RESPONSE, tests),
        verify_code(RESPONSE, tests, **words),
    ):
        assert verdict.score == min(10, count) / count
        assert sandbox.jobs[-1][0].inputs == tests.inputs[:count]


def test_wrong_settings() -> None:
    with pytest.raises(ConfigError, match="max_tests is 0"):
        CodeVerifier(max_tests=0)
    with pytest.raises(ConfigError, match="max_tests is -1"):
        verify_code(RESPONSE, SCRIPT, max_tests=-1)
    with pytest.raises(ConfigError, match="worker"):
        CodeVerifier(workers=0)


def test_the_sandbox_is_chosen_once_by_all_threads() -> None:
    chosen = []

    def choose() -> ProgramRunner:
        time.sleep(0.05)
        chosen.append(threading.get_ident())
        return Told(out("1", "2", "3", "4"))

    verify = CodeVerifier(choose, workers=8)
    assert not chosen
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda _: verify.judge(RESPONSE, SCRIPT), range(8)))
    assert {verdict.score for verdict in verdicts} == {1.0}
    assert verify.prepare() == "sandbox: it was told"
    assert len(chosen) == 1


def test_without_a_sandbox_prepare_says_so() -> None:
    tried = []

    def choose() -> ProgramRunner:
        tried.append(1)
        raise SandboxUnavailableError("install bubblewrap")

    verify = CodeVerifier(choose)
    with pytest.raises(SandboxUnavailableError, match="install bubblewrap"):
        verify.prepare()
    for _ in range(3):
        with pytest.raises(SandboxUnavailableError, match="install bubblewrap"):
            verify.judge(RESPONSE, SCRIPT)
    # To try takes seconds, and a batch has many responses.
    assert len(tried) == 1


def test_it_knows_ground_truths_that_nothing_can_be_graded_against() -> None:
    verify = CodeVerifier()
    assert verify.problem_with("{oops") == "the tests are no JSON"
    assert verify.problem_with('{"inputs": ["1"], "outputs": ["2"]}') == ""


def test_no_more_programs_at_a_time_than_workers() -> None:
    running, most, lock = 0, 0, threading.Lock()
    # Two that are let in wait for each other, so that they are seen together on the slowest of machines.
    pair = threading.Barrier(2)

    class Counting(Told):
        def run(self, job: Job, limits: Limits, stop: threading.Event) -> list[TestRun]:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            pair.wait(60)
            time.sleep(0.02)
            with lock:
                running -= 1
            return super().run(job, limits, stop)

    verify = CodeVerifier(lambda: Counting(out("1", "2", "3", "4")), workers=2)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: verify.judge(RESPONSE, SCRIPT), range(8)))
    assert most == 2


def test_a_grader_sees_all_that_it_offers() -> None:
    with CodeVerifier(lambda: Told(())) as verify:
        assert isinstance(verify, PooledVerifier)
        assert isinstance(verify, CheckingVerifier)
        assert isinstance(verify, PreparedVerifier)
    verify.close()


def test_a_closed_verifier_judges_no_program() -> None:
    sandbox = Told(out("1", "2", "3", "4"))
    verify = CodeVerifier(lambda: sandbox)
    verify.close()
    verify.begin_anew()
    verdict = verify.judge(RESPONSE, SCRIPT)
    assert (verdict.status, verdict.detail) == (Status.UNSCORED, "the verifier was closed")
    assert not sandbox.jobs


FORKING = """
import os, signal
from spro.verify.code import verifier
from spro.verify.code.tests import CodeTests
from spro.verify.sandbox import RunStatus, TestRun, sandbox, watchdog

class Told:
    why = ""
    def run(self, job, limits, stop):
        stop.wait(0.01)
        with sandbox._UIDS.lend():
            watchdog.PROCESSES.tree(os.getpid())
        return [TestRun(RunStatus.FINISHED, b"1")]

shared = verifier._shared
shared._choose = Told
locks = [shared._choosing, shared._stop._cond, sandbox._UIDS._lock, watchdog.PROCESSES._lock]
for lock in locks + [shared._slots] * shared._workers:
    lock.acquire()
if os.fork() == 0:
    signal.alarm(30)
    print(verifier.verify_code("```python\\nx\\n```", CodeTests((b"",), ("1",))).status, flush=True)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_fork_does_not_wait_for_threads_that_it_has_not() -> None:
    done = subprocess.run([sys.executable, "-B", "-c", FORKING], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["correct", "0"], done.stderr


def test_no_more_workers_than_processors_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert verifier._processors() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert verifier._processors() == 64


@pytest.mark.parametrize(
    "words", [(None, "{}"), (b"x", "{}"), (RESPONSE, {"inputs": [], "outputs": []}), (RESPONSE, None)]
)
def test_what_is_no_text_is_refused_in_a_line(words: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match=r"^the (response|tests) came as a \w+; give text$"):
        verify_code(*words)
