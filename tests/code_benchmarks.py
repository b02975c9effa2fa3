"""HumanEval and MBPP as function-call tests: their assertions become arguments and expected values.

The files lie beside the project and are not part of it (``../shared/data/README.md``). They are trusted, and only
here does code of a file run in a plain process: to record what a benchmark's own check calls.
"""

import ast
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from spro.verify.code.tests import CodeTests

DATA = Path(__file__).parents[2] / "shared" / "data"
HUMAN_EVAL = DATA / "HumanEval.jsonl.gz"
MBPP = DATA / "mbpp.json"
MAX_RECORDED = 30
"""Calls that are kept of a check; some make a hundred random ones."""


class Kind(StrEnum):
    LITERAL = "literal"
    """Every assertion is ``assert f(literals) == literal``: the expected values are the benchmark's."""
    MIXED = "mixed"
    """Some are; of the others, what the canonical solution returned while its own check passed."""
    RECORDED = "recorded"
    """None is."""


@dataclass(frozen=True)
class Benchmark:
    """One problem with a right solution.

    ``check`` is the benchmark's own: behind a solution it is a program that ends well if that is right.
    """

    name: str
    solution: str
    tests: CodeTests
    kind: Kind
    check: str


@dataclass(frozen=True)
class Truth:
    """In place of a value that is no plain data, such as a ``re.Match``: the check asks only whether it is true."""

    value: bool


TRUTH = """

_whole = {entry}

def {entry}(*arguments):
    return bool(_whole(*arguments))
"""

Call = tuple[tuple[Any, ...], Any]


def human_eval() -> Iterator[Benchmark]:
    with gzip.open(HUMAN_EVAL, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            solution = row["prompt"] + row["canonical_solution"]
            asserts = list(assertions(row["test"]))
            run = f"{row['test']}\ncheck(candidate)"
            yield benchmark(row["task_id"], solution, row["entry_point"], asserts, "candidate", run)


def mbpp() -> Iterator[Benchmark]:
    for row in json.loads(MBPP.read_text("utf-8")):
        lines = "\n".join(row["test_list"])
        tree = ast.parse(row["code"])
        called = {node.id for node in ast.walk(ast.parse(lines)) if isinstance(node, ast.Name)}
        entry = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in called][-1]
        run = "\n".join([*row["test_imports"], f"{entry} = candidate", lines])
        yield benchmark(f"MBPP/{row['task_id']}", row["code"], entry, list(assertions(lines)), entry, run)


def benchmark(name: str, solution: str, entry: str, asserts: list[ast.expr], called: str, run: str) -> Benchmark:
    found = [literal_call(test, called) for test in asserts]
    literal = [call for call in found if call is not None]
    kind = Kind.LITERAL if len(literal) == len(found) else Kind.MIXED if literal else Kind.RECORDED
    calls = list(literal)
    if kind is not Kind.LITERAL:
        known = {repr(arguments) for arguments, _ in literal}
        calls += [call for call in recorded_calls(solution, entry, run) if repr(call[0]) not in known][:MAX_RECORDED]
    if any(isinstance(gold, Truth) for _, gold in calls):
        solution += TRUTH.format(entry=entry)
        calls = [(arguments, gold.value if isinstance(gold, Truth) else bool(gold)) for arguments, gold in calls]
    tests = CodeTests(tuple(arguments for arguments, _ in calls), tuple(gold for _, gold in calls), entry)
    return Benchmark(name, solution, tests, kind, f"candidate = {entry}\n{run}")


def assertions(source: str) -> Iterator[ast.expr]:
    """What is asserted, but for ``assert True`` and the like."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            yield node.test


def literal_call(test: ast.expr, called: str) -> Call | None:
    match test:
        case ast.Compare(
            left=ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]), ops=[ast.Eq()], comparators=[gold]
        ) if name == called:
            try:
                return tuple(ast.literal_eval(argument) for argument in arguments), ast.literal_eval(gold)
            except ValueError:
                return None
    return None


RECORDER = """
import ast, copy, json, sys
task = json.load(sys.stdin)
space = {"__name__": "benchmark"}
exec(task["solution"], space)
function, calls = space[task["entry"]], []

def candidate(*arguments):
    before = copy.deepcopy(arguments)
    value = function(*arguments)
    try:
        calls.append((before, ast.literal_eval(repr(value)), False))
    except SyntaxError:
        calls.append((before, bool(value), True))
    return value

space["candidate"] = candidate
exec(task["run"], space)
print(repr(calls))
"""


def recorded_calls(solution: str, entry: str, run: str) -> list[Call]:
    task = json.dumps({"solution": solution, "entry": entry, "run": run})
    # The order of a set of words is part of some outputs; sandboxes have the same seed.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", RECORDER], input=task, capture_output=True, text=True, env=environment, check=True
    )
    calls = ast.literal_eval(done.stdout.splitlines()[-1])
    return [(arguments, Truth(value) if is_truth else value) for arguments, value, is_truth in calls]
