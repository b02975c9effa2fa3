"""Whole responses through the real sandbox: programs, functions, and what a policy may try."""

import json
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from spro.errors import SandboxUnavailableError
from spro.verify import Status
from spro.verify.code.tests import CodeTests
from spro.verify.code.verifier import CodeVerifier, verify_code
from spro.verify.sandbox import Limits
from tests.stdin_programs import PROGRAMS, SUM, Program

PATIENT = Limits(cpu_s=3, wall_s=600.0, total_s=1800.0)
"""CPU seconds end what computes for ever, however slow the machine is by the clock."""
HASTY = Limits(cpu_s=2, wall_s=4.0)
"""For what sleeps, and would be ended by the clock in any case."""


@pytest.fixture(scope="module")
def verify() -> Iterator[CodeVerifier]:
    with CodeVerifier(limits=PATIENT) as verifier:
        try:
            verifier.prepare()
        except SandboxUnavailableError as error:
            pytest.skip(str(error))
        yield verifier


def fenced(source: str) -> str:
    return f"I would read the numbers first.\n\n```python\n{source}\n```\nThat is all."


def ground_truth(tests: tuple[tuple[str, str], ...] = SUM) -> str:
    return json.dumps({"inputs": [given for given, _ in tests], "outputs": [gold for _, gold in tests]})


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(program: Program, verify: CodeVerifier) -> None:
    with CodeVerifier(limits=HASTY) if program.name == "asleep" else nullcontext(verify) as judge:
        verdict = judge(fenced(program.source), ground_truth(program.tests))
    assert verdict.score == program.score, verdict.detail
    assert verdict.status is program.status
    assert program.detail in verdict.detail


@pytest.mark.parametrize(
    ("source", "function", "inputs", "outputs", "score"),
    [
        ("def f(a, b):\n    return a + b", "f", [[1, 2], [3, 4]], [[3], [7]], 1.0),
        ("def f(a, b):\n    return a + b", "f", [[1, 2], [3, 4]], [3, 8], 0.5),
        ("def f(a, b):\n    return a + b", "f", ["1\n2", "3\n4"], ["3", "7"], 1.0),
        ("class Solution:\n    def f(self, xs):\n        return sorted(xs)", "f", [[[2, 1]]], [[1, 2]], 1.0),
        ("class Solution:\n    def f(self, xs):\n        return sorted(xs)", "f", [[[2, 1]]], [[[1, 2]]], 1.0),
        ("def f(xs):\n    return tuple(xs)", "f", [[[2, 1]]], [[[2, 1]]], 1.0),
        ("def f(d):\n    return d[1]", "f", [[{"1": "a"}]], ["a"], 1.0),
        ("def f(n):\n    return {n: n}", "f", [[1]], [{"1": 1}], 1.0),
        ("def f(n):\n    print(n)", "f", [[1]], [1], 0.0),
        ("def f(n):\n    print('noise')\n    return n", "f", [[1]], [1], 1.0),
        ("def f():\n    return None", "f", [[]], [None], 1.0),
        ("def g(n):\n    return n", "f", [[1]], [1], 0.0),
        ("f = 3", "f", [[1]], [1], 0.0),
        ("def f(n):\n    raise SystemExit(0)", "f", [[1]], [None], 0.0),
        ("def f(n):\n    return lambda: n", "f", [[1]], [1], 0.0),
        ("def f(n):\n    xs = []\n    xs.append(xs)\n    return xs", "f", [[1]], [[1]], 0.0),
        ("def f(n):\n    return 10 ** 5000", "f", [[1]], [1], 0.0),
        ("def f(s):\n    return s[::-1]", "f", [["ä€"]], ["€ä"], 1.0),
    ],
)
def test_function(
    source: str, function: str, inputs: object, outputs: object, score: float, verify: CodeVerifier
) -> None:
    verdict = verify(fenced(source), json.dumps({"inputs": inputs, "outputs": outputs, "fn_name": function}))
    assert verdict.score == score, verdict.detail


def test_values_that_json_cannot_hold(verify: CodeVerifier) -> None:
    values = ((1, 2), {1, 2}, frozenset({"a"}), b"\x00\xff", 1j, {(1, 2): {3}}, float("inf"), float("nan"), 10**5000)
    tests = CodeTests(tuple((value, type(value).__name__) for value in values), values, "f")
    source = "def f(value, name):\n    assert type(value).__name__ == name\n    return value"
    verdict = verify.judge(fenced(source), tests)
    assert verdict.status is Status.CORRECT, verdict.detail


HACKS = {
    "says yes to everything": (
        "class Yes(int):\n    def __eq__(self, other):\n        return True\n    __hash__ = int.__hash__\n"
        "def f(n):\n    return Yes(5)"
    ),
    "claims another class": (
        "class Yes:\n    __class__ = int\n    def __eq__(self, other):\n        return True\n"
        "def f(n):\n    return Yes()"
    ),
    "walks the frames": (
        "import sys\ndef f(n):\n    frame = sys._getframe()\n    while frame:\n"
        "        for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):\n"
        "            if isinstance(value, dict) and 'outputs' in value:\n                return value['outputs'][0]\n"
        "        frame = frame.f_back"
    ),
    "looks through all objects": (
        "import gc\ndef f(n):\n    for value in gc.get_objects():\n        if isinstance(value, (list, tuple)):\n"
        "            for item in value:\n                if isinstance(item, int) and 876000 < item < 988000:\n"
        "                    return item"
    ),
    "exits early": "import os\ndef f(n):\n    os._exit(0)",
    "raises SystemExit": "def f(n):\n    raise SystemExit(0)",
    "patches the builtins": "import builtins\nbuiltins.all = builtins.any = lambda *a: True\ndef f(n):\n    return 0",
    "prints passed": "def f(n):\n    print('passed', 987654)\n    return 'passed'",
}


@pytest.mark.parametrize("source", HACKS.values(), ids=HACKS)
def test_a_hack_wins_nothing(source: str, verify: CodeVerifier) -> None:
    verdict = verify.judge(fenced(source), CodeTests(((1,), (2,)), (987654, 876543), "f"))
    assert verdict.score == 0.0, verdict.detail


def test_the_shared_verifier(verify: CodeVerifier) -> None:
    response = fenced("print(sum(map(int, input().split())))")
    assert verify_code(response, ground_truth()).score == 1.0
    assert verify_code(response, ground_truth((("1 2", "3"), ("1 2", "4"))), max_tests=1).score == 1.0
