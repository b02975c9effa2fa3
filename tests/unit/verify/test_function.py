"""Reward functions in their process: TRL's signature, users' mistakes, and their services' failures."""

import datetime
import time

import pytest
from tests.waiting import is_alive, wait_for

from spro.errors import ConfigError, RewardError, WorkerError
from spro.verify import Answer, FunctionSource, FunctionVerifier, Grader, RewardFunction, Status

pytestmark = pytest.mark.usefixtures("no_orphans")

HERE = "tests.unit.verify.reward_functions"
ASKED = ({"role": "user", "content": "1+1?"},)


def source(name, **fields):
    return FunctionSource(f"{HERE}.{name}", **fields)


def answer(text, gold="2", **columns):
    return Answer("function", text, gold, ASKED, (7, 8, 9), columns)


def test_one_number_for_each_answer():
    with RewardFunction(source("length")) as reward:
        assert reward.prepare() == f"reward function {HERE}.length"
        assert reward([answer("abc"), answer(""), answer("ä\ud800")]) == [3.0, 0.0, 2.0]
        assert reward([]) == []


def test_all_that_trl_gives_is_given():
    with RewardFunction(source("echo"), ["level"]) as reward:
        reward.prepare()
        assert reward([answer("a", "2", level=5), answer("b", "3", level=6)]) == [52311.0, 63311.0]


def test_a_column_under_another_name():
    with RewardFunction(source("accuracy", columns={"solution": "ground_truth"})) as reward:
        reward.prepare()
        assert reward([answer("2"), answer("3")]) == [1.0, 0.0]


def test_settings_make_the_function_and_it_lives_on():
    with RewardFunction(source("Scaled", settings={"factor": 0.5})) as reward:
        reward.prepare()
        assert [reward([answer("")]) for _ in range(3)] == [[0.5], [1.0], [1.5]]
    with RewardFunction(source("Scaled", settings={})) as reward:
        assert reward([answer("")]) == [1.0]


def test_arrays_and_coroutines():
    with RewardFunction(source("array")) as reward:
        assert reward([answer(""), answer("")]) == [0.5, 0.5]
    with RewardFunction(source("slow_service")) as reward:
        assert reward([answer("x"), answer("")]) == [1.0, None]


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (FunctionSource("brevity"), "'brevity' is no dotted path"),
        (FunctionSource("my rewards.brevity"), "is no dotted path"),
        (FunctionSource("there_is_no.such_thing"), "No module named 'there_is_no'"),
        (source("lenght"), "has no attribute 'lenght'"),
        (source("NUMBER"), "is a int, not a function"),
        (source("Scaled"), "it is a class; give its settings"),
        (source("accuracy"), "it wants 'solution'; say which column that is, columns: {solution: ...}"),
        (source("length", columns={"x": "solution"}), "the column 'solution' as 'x', and there are completion_ids"),
        (source("length", timeout_s=0.0), "timeout of 0.0 s is impossible"),
    ],
)
def test_a_function_that_cannot_be_used_is_the_users_error(which, message):
    with pytest.raises(ConfigError, match=message) as caught, RewardFunction(which) as reward:
        reward.prepare()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", "returned nan for completion 0"),
        ("text", "returned \"'good'\" for completion 0"),
        ("few", "returned 0 values for 1 completions"),
        ("none", "returned a NoneType for 1"),
    ],
)
def test_numbers_that_are_none_are_the_users_error(kind, message):
    with RewardFunction(source("odd")) as reward, pytest.raises(RewardError, match=message):
        reward([answer("", kind=kind)])


@pytest.mark.parametrize(
    ("kind", "message"), [("raise", "ValueError: the service is down"), ("exit", "exit code 3"), ("hang", "timeout")]
)
def test_failures_are_told_and_never_a_zero(kind, message, monkeypatch):
    with RewardFunction(source("odd")) as reward:
        began = time.monotonic()
        with monkeypatch.context() as patched:
            if kind == "hang":
                # For this call only: what does not hang is to be done on the slowest of machines.
                patched.setattr(reward._pool, "_timeout_s", 1.0)
            with pytest.raises(WorkerError, match=message) as caught:
                reward([answer("", kind=kind)])
        assert "\n" not in str(caught.value)
        assert time.monotonic() - began < 60, "long before the function's hundred and twenty"
        assert reward([answer("", kind="fine")]) == [0.0], "the next call finds a new worker"


def test_a_crash_is_retried_once(tmp_path):
    with RewardFunction(source("odd")) as reward:
        assert reward([answer("", kind="flaky", mark=str(tmp_path / "mark"))]) == [1.0]


def test_it_has_the_users_variables_and_may_write(tmp_path, monkeypatch):
    monkeypatch.setenv("SPRO_TEST_SECRET", "a key of a judge")
    with RewardFunction(source("odd")) as reward:
        assert reward([answer("", kind="write", mark=str(tmp_path / "file"))]) == [1.0]


def test_a_column_that_is_no_plain_data():
    with RewardFunction(source("length")) as reward, pytest.raises(RewardError, match="no plain data"):
        reward([answer("", thing=object())])


def test_a_large_batch():
    with RewardFunction(source("length")) as reward:
        assert reward([answer("x" * 100_000)] * 300) == [100_000.0] * 300


def test_as_a_verifier():
    function = RewardFunction(source("accuracy", columns={"solution": "ground_truth"}))
    with Grader({"function": FunctionVerifier(function)}) as grader:
        assert grader.prepare({"function"}) == [f"reward function {HERE}.accuracy"]
        verdicts = grader.grade([answer("2"), answer("3")])
    assert [verdict.status for verdict in verdicts] == [Status.CORRECT, Status.WRONG]


def test_as_a_verifier_failed_is_unscored_and_beyond_one_is_refused():
    with Grader({"function": FunctionVerifier(RewardFunction(source("odd")))}) as grader:
        (verdict,) = grader.grade([answer("", kind="raise")])
        assert (verdict.score, verdict.status) == (None, Status.UNSCORED)
        assert "the service is down" in verdict.detail
    with Grader({"function": FunctionVerifier(RewardFunction(source("slow_service")))}) as grader:
        assert [v.status for v in grader.grade([answer("x"), answer("")])] == [Status.CORRECT, Status.UNSCORED]
    with (
        Grader({"function": FunctionVerifier(RewardFunction(source("length")))}) as grader,
        pytest.raises(RewardError, match=r"'function'.*3\.0"),
    ):
        grader.grade([answer("abc")])


def test_as_a_verifier_it_gets_the_columns_too():
    function = RewardFunction(source("judge"), ["problem_id", "data_source", "level"])
    with Grader({"function": FunctionVerifier(function)}) as grader:
        grader.prepare({"function"})
        both = [answer("", level=level, problem_id="p", data_source="d") for level in (5, 4)]
        assert [verdict.score for verdict in grader.grade(both)] == [1.0, 0.0]


def test_a_callable_that_is_falsy_is_made_once():
    with RewardFunction(source("Sized", settings={})) as reward:
        assert [reward([answer("")]) for _ in range(3)] == [[1.0], [2.0], [3.0]]


def test_a_services_timeout_is_a_failure_and_tried_again(tmp_path):
    with RewardFunction(source("service")) as reward:
        assert reward([answer("", mark=str(tmp_path / "mark"))]) == [1.0]
    with (
        RewardFunction(source("always_late")) as reward,
        pytest.raises(WorkerError, match=r"always_late'.*TimeoutError: the service did not answer"),
    ):
        reward([answer("")])


def test_a_number_beyond_all_floats_is_the_users_error():
    with RewardFunction(source("huge")) as reward, pytest.raises(RewardError, match="beyond all floats"):
        reward([answer("")])


@pytest.mark.parametrize(("how", "message"), [("hang", "timeout"), ("crash", "exit code 3")])
def test_what_a_function_has_started_ends_with_it(tmp_path, how, message, monkeypatch):
    pids = tmp_path / "pids"
    with RewardFunction(source("parent"), ["pids", "how"]) as reward:
        reward.prepare()
        # Of the CPU: a machine that stands still does not use them up before the function has started anything.
        monkeypatch.setattr(reward._pool, "_cpu_timeout_s", 1.0)
        with pytest.raises(WorkerError, match=message):
            reward([answer("", pids=str(pids), how=how)])
    started = [int(line) for line in pids.read_text().split()]
    assert started
    wait_for(lambda: not any(map(is_alive, started)))


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (source("Scaled", settings={"factor": datetime.date(2026, 1, 1)}), "date is not JSON serializable"),
        (source("length", settings={}), "is the function itself and takes no settings"),
        (source("Scaled", settings={"faktor": 1}), "has no setting 'faktor'; it has factor"),
    ],
)
def test_impossible_settings(which, message):
    with RewardFunction(which) as reward, pytest.raises(ConfigError, match=message):
        reward.prepare()
