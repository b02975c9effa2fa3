"""Ground truths in all their forms, and every way in which one can be malformed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import DataError
from spro.verify.code.tests import MAX_TESTS, CodeTests, problem_with
from spro.verify.sandbox import RunStatus, TestRun

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=10,
)
names = st.sampled_from(["inputs", "outputs", "fn_name", "x"])


def text(inputs: Any, outputs: Any, **more: Any) -> str:
    return json.dumps({"inputs": inputs, "outputs": outputs, **more})


@pytest.mark.parametrize(
    ("inputs", "outputs", "stdin", "golds"),
    [
        (["1 2\n", "3 4\n"], ["3\n", "7\n"], (b"1 2\n", b"3 4\n"), ("3\n", "7\n")),
        ([["1", "2"]], [["3", "4"]], (b"1\n2",), ("3\n4",)),
        ([["1\n", "2\n"]], [["3\n"]], (b"1\n2",), ("3",)),
        (["é"], [["3"]], ("é".encode(),), ("3",)),
        (["", "1"], ["", "2"], (b"", b"1"), ("", "2")),
        ([[]], ["2"], (b"",), ("2",)),
    ],
)
def test_standard_input(inputs: Any, outputs: Any, stdin: Any, golds: Any) -> None:
    for more in ({}, {"fn_name": None}, {"fn_name": ""}, {"remote": False}):
        tests = CodeTests.read(text(inputs, outputs, **more))
        assert (tests.inputs, tests.outputs, tests.function) == (stdin, golds, None)
        assert len(tests) == len(inputs)


@pytest.mark.parametrize(
    ("inputs", "outputs", "arguments", "golds"),
    [
        ([[1, 2], [3, 4]], [[3], [7]], ((1, 2), (3, 4)), ([3], [7])),
        ([[1, 2]], [3], ((1, 2),), (3,)),
        ([[[1, 2]]], [[[2, 1]]], (([1, 2],),), ([[2, 1]],)),
        ([[]], [None], ((),), (None,)),
        ([["a\nb"]], ["x"], (("a\nb",),), ("x",)),
        # APPS: a line of JSON for each argument.
        (["1\n2", "3\n4\n"], ["3", "7"], ((1, 2), (3, 4)), (3, 7)),
        (['[1, 2]\n"a"'], ["[true, null]"], (([1, 2], "a"),), ([True, None],)),
        (['"a b"'], ['"c"'], (("a b",),), ("c",)),
        ([""], ["5"], ((),), (5,)),
        (["1"], [[5]], ((1,),), ([5],)),
        # Integers for keys.
        ([[{"1": 2, "-3": 4}, 5]], [6], (({1: 2, -3: 4}, 5),), (6,)),
        (['{"1": 2}'], ["1"], (({1: 2},),), (1,)),
        ([[{"1": 2, "a": 3}]], [6], (({"1": 2, "a": 3},),), (6,)),
        ([[{"01": 2}]], [6], (({"01": 2},),), (6,)),
        ([[{"٣": 2}]], [6], (({"٣": 2},),), (6,)),
        ([[{}]], [6], (({},),), (6,)),
        ([[[{"1": 2}]]], [6], (([{"1": 2}],),), (6,)),
        ([[{"9" * 2000: 2}]], [6], (({"9" * 2000: 2},),), (6,)),
    ],
)
def test_function_calls(inputs: Any, outputs: Any, arguments: Any, golds: Any) -> None:
    tests = CodeTests.read(text(inputs, outputs, fn_name="f"))
    assert (tests.inputs, tests.outputs, tests.function) == (arguments, golds, "f")


@pytest.mark.parametrize(
    ("ground_truth", "problem"),
    [
        ("", "no JSON"),
        ("4", "no JSON object"),
        ("[]", "no JSON object"),
        ("{oops", "no JSON"),
        ("{}", "no lists"),
        ('{"inputs": ["1"]}', "no lists"),
        (text("1", "2"), "no lists"),
        (text([], []), "empty"),
        (text([], [], fn_name="f"), "empty"),
        (text(["1"], ["1", "2"]), "not as many outputs"),
        (text([[1]], [], fn_name="f"), "not as many outputs"),
        (text(["1"] * (MAX_TESTS + 1), ["1"] * (MAX_TESTS + 1)), "more than"),
        (text([1], ["1"]), "neither text nor"),
        (text(["1"], [1]), "neither text nor"),
        (text([["1", 2]], ["1"]), "neither text nor"),
        (text([None], ["1"]), "neither text nor"),
        (text(["1", "2"], ["", " \n"]), "no output at all"),
        (text([[1]], [1], fn_name="a b"), "fn_name"),
        (text([[1]], [1], fn_name="os.system"), "fn_name"),
        (text([[1]], [1], fn_name=3), "fn_name"),
        (text([[1]], [1], fn_name=["f"]), "fn_name"),
        (text([1], [1], fn_name="f"), "no list of arguments"),
        (text([[1], "2"], [1, 2], fn_name="f"), "no list of arguments"),
        (text([{"a": 1}], [1], fn_name="f"), "no list of arguments"),
        (text(["1\n2 3"], ["1"], fn_name="f"), "no JSON"),
        (text(["1"], ["x"], fn_name="f"), "no JSON"),
        (text([[float("nan")]], [1], fn_name="f"), "NaN"),
        (text([[1]], [float("-inf")], fn_name="f"), "NaN"),
        (text(["NaN"], ["1"], fn_name="f"), "NaN"),
        ('{"inputs": ["1"], "inputs": ["2"], "outputs": ["3"]}', "repeated key"),
        ('{"inputs": [[{"a": 1, "a": 2}]], "outputs": [1], "fn_name": "f"}', "repeated key"),
        (text(['{"a": 1, "a": 2}'], ["1"], fn_name="f"), "repeated key"),
        ('{"inputs": [[' + "9" * 5000 + ']], "outputs": [1], "fn_name": "f"}', "no JSON that Python reads"),
        ('{"inputs": ' + "[" * 100_000 + "]" * 100_000 + ', "outputs": []}', "nested too deeply"),
        ('{"inputs": ' + "[" * 100 + "]" * 100 + ', "outputs": []}', "nested too deeply"),
        (text(["[" * 100 + "]" * 100], ["1"], fn_name="f"), "nested too deeply"),
        ('{"inputs": ["\\ud800"], "outputs": ["1"]}', "surrogate"),
        ('{"inputs": ["1"], "outputs": ["\\ud800"]}', "surrogate"),
        ('{"inputs": [[{"\\ud800": 1}]], "outputs": [1], "fn_name": "f"}', "surrogate"),
        (" " * (2**25 + 1), "longer than"),
    ],
    ids=range(40),
)
def test_malformed(ground_truth: str, problem: str) -> None:
    found = problem_with(ground_truth)
    assert problem in found
    assert "\n" not in found
    assert len(found) < 80
    with pytest.raises(DataError, match=problem):
        CodeTests.read(ground_truth)


def test_nothing_is_wrong_with_a_good_one() -> None:
    assert problem_with(text(["1"], ["2"])) == ""


def test_built_directly_it_is_checked_as_well() -> None:
    with pytest.raises(DataError, match="empty"):
        CodeTests((), ())
    with pytest.raises(DataError, match="not as many"):
        CodeTests((b"",), ())


def test_first() -> None:
    tests = CodeTests((b"1", b"2", b"3"), ("1", "2", "3"))
    assert tests.first(2) == CodeTests((b"1", b"2"), ("1", "2"))
    assert tests.first(9) == tests.first(None) == tests


@given(st.dictionaries(names, json_values).map(json.dumps) | st.text())
def test_reading_gives_tests_or_a_reason(ground_truth: str) -> None:
    problem = problem_with(ground_truth)
    assert problem or len(CodeTests.read(ground_truth)) > 0


@given(st.lists(st.tuples(st.lists(json_values, max_size=3), json_values), min_size=1, max_size=4))
def test_calls_come_through(calls: list[tuple[list[Any], Any]]) -> None:
    ground_truth = text([arguments for arguments, _ in calls], [gold for _, gold in calls], fn_name="f")
    if not problem_with(ground_truth):
        tests = CodeTests.read(ground_truth)
        for number, (_, gold) in enumerate(calls):
            assert tests.is_passed(number, TestRun(RunStatus.FINISHED, value=gold))


@pytest.mark.parametrize("status", [status for status in RunStatus if status is not RunStatus.FINISHED])
def test_a_run_that_did_not_finish_passes_nothing(status: RunStatus) -> None:
    assert not CodeTests((b"",), ("1",)).is_passed(0, TestRun(status, stdout=b"1"))
    assert not CodeTests(((),), (None,), "f").is_passed(0, TestRun(status))


def test_a_wrapper_may_be_one_in_a_row_and_never_in_tests_built_directly() -> None:
    row, built = CodeTests.read(text([[1]], [[5]], fn_name="f")), CodeTests(((1,),), ([5],), "f")
    assert row.is_passed(0, TestRun(RunStatus.FINISHED, value=5))
    assert row.is_passed(0, TestRun(RunStatus.FINISHED, value=[5]))
    assert row.is_passed(0, TestRun(RunStatus.FINISHED, value=(5,)))
    assert not row.is_passed(0, TestRun(RunStatus.FINISHED, value=[[5]]))
    assert built.is_passed(0, TestRun(RunStatus.FINISHED, value=[5]))
    assert not built.is_passed(0, TestRun(RunStatus.FINISHED, value=5))
    pair = CodeTests.read(text([[1]], [[5, 5]], fn_name="f"))
    assert not pair.is_passed(0, TestRun(RunStatus.FINISHED, value=5))


def test_a_script_is_compared_by_its_output_and_a_function_by_its_value() -> None:
    assert CodeTests((b"",), ("5",)).is_passed(0, TestRun(RunStatus.FINISHED, stdout=b"5\n", value=6))
    assert not CodeTests((b"",), ("5",)).is_passed(0, TestRun(RunStatus.FINISHED, stdout=b"6\n", value="5"))
    assert CodeTests(((),), ("5",), "f").is_passed(0, TestRun(RunStatus.FINISHED, stdout=b"6", value="5"))
