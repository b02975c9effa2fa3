"""Ground truths of real data sets: each equals itself, and none its neighbour unless the two are the same."""

import json
from pathlib import Path

import pytest

from spro.verify import MathVerifier, Status
from spro.verify.math.latex import normal_latex
from spro.verify.math.truth import MathTruth
from spro.verify.workers.pool import WorkerPool
from spro.verify.workers.wire import Outcome

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared data is not here: {DATA}")

ROWS = {"math500": 500, "math500_columns": 500, "olympiadbench": 675, "amc": 83, "aime": 90, "gsm8k_test": 1319}
# Neighbours that mean the same and are spelled differently; found by hand.
EQUAL_NEIGHBOURS = {("5", "x=5")}


def read_golds(name):
    if name == "math500_columns":
        return list(json.loads((DATA / f"{name}.json").read_text())["expected_answer"].values())
    rows = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]
    if name == "olympiadbench":
        fields = [(row["final_answer"], row["unit"], row["error"]) for row in rows]
        return [json.dumps({"answers": answers, "unit": unit, "tolerance": error}) for answers, unit, error in fields]
    return [str(row["answer"]) for row in rows]


def answer_of(gold):
    return ", ".join(MathTruth.read(gold).answers)


@pytest.fixture(scope="module")
def verifier():
    with MathVerifier(workers=2, timeout_s=20.0) as verifier:
        yield verifier


@pytest.mark.parametrize("name", ROWS)
def test_each_equals_itself_and_not_its_neighbour(verifier, name):
    golds = read_golds(name)
    assert len(golds) == ROWS[name]
    assert [gold for gold in golds if verifier.problem_with(gold)] == []
    selves = [gold for gold in golds if judge(verifier, answer_of(gold), gold) is not Status.CORRECT]
    assert selves == []
    equal = {
        (answer_of(gold), answer_of(other))
        for gold, other in zip(golds, golds[1:] + golds[:1], strict=True)
        if judge(verifier, answer_of(other), gold) is Status.CORRECT
    }
    assert {pair for pair in equal if normal_latex(pair[0]) != normal_latex(pair[1])} <= EQUAL_NEIGHBOURS


@pytest.mark.parametrize("name", ROWS)
def test_each_equals_itself_in_the_worker(name):
    # Past the comparison of strings, which settles them all before.
    truths = [MathTruth.read(gold) for gold in dict.fromkeys(read_golds(name))]
    with WorkerPool(1, 60.0) as pool:
        replies = [
            pool.ask(
                {
                    "answers": truth.answers,
                    "unit": truth.unit,
                    "tolerance": truth.tolerance,
                    "answer": ", ".join(truth.answers),
                    "seconds": 16.0,
                }
            )
            for truth in truths
        ]
    failed = [
        truth
        for truth, reply in zip(truths, replies, strict=True)
        if reply.outcome is not Outcome.ANSWERED or reply.body["status"] != "correct"
    ]
    assert failed == []


def judge(verifier, answer, gold):
    return verifier(rf"\boxed{{{answer}}}", gold).status
