"""The suites on the files of the benchmarks: each ground truth, put into a box, is right by the verifier."""

from pathlib import Path

import pytest

from spro.tasks import load_suite
from spro.verify import Answer, Grader, MathVerifier, Status
from spro.verify.math.truth import MathTruth

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared data is not here: {DATA}")

FILES = {
    "math500.jsonl": ("math500", 500),
    "math500_columns.json": ("math500", 500),
    "olympiadbench.jsonl": ("olympiadbench", 675),
    "amc.jsonl": ("amc", 83),
    "aime.jsonl": ("aime", 90),
    "gsm8k_test.jsonl": ("gsm8k", 1319),
}


@pytest.fixture(scope="module")
def grader():
    # A right answer takes no second, on a machine that does not stall.
    with Grader({"math": MathVerifier(workers=2, timeout_s=300.0)}) as grader:
        yield grader


def boxed(ground_truth):
    return rf"So it is \boxed{{{', '.join(MathTruth.read(ground_truth).answers)}}}."


@pytest.mark.parametrize("file", FILES)
def test_every_row_is_a_problem_and_its_answer_is_right(grader, file):
    name, count = FILES[file]
    problems, report = load_suite(name, str(DATA / file), grader.problem_with)
    assert (len(problems), str(report)) == (count, f"{count} problems")
    assert len({problem.problem_id for problem in problems}) == count
    truths = [problem.ground_truth for problem in problems]
    verdicts = grader.grade([Answer("math", boxed(truth), truth) for truth in truths])
    assert [truth for truth, v in zip(truths, verdicts, strict=True) if v.status is not Status.CORRECT] == []


def test_both_forms_of_math500_are_the_same_problems_and_no_id_confuses_them(grader):
    rows, columns = (
        load_suite("math500", str(DATA / file), grader.problem_with)[0]
        for file in ("math500.jsonl", "math500_columns.json")
    )
    assert {p.messages[0]["content"] for p in rows} == {p.messages[0]["content"] for p in columns}
    assert not {p.problem_id for p in rows} & {p.problem_id for p in columns}


def test_tolerances_units_and_several_answers_of_olympiadbench_count(grader):
    problems, _ = load_suite("olympiadbench", str(DATA / "olympiadbench.jsonl"), grader.problem_with)
    truths = {
        name: next(p.ground_truth for p in problems if mark in p.ground_truth)
        for name, mark in (("tolerance", '"tolerance": "1e-1"'), ("unit", '"unit": "km"'), ("several", "$69$,$84$"))
    }
    judged = {
        ("tolerance", r"4.25\%"): Status.CORRECT,
        ("tolerance", "4.15"): Status.CORRECT,
        ("tolerance", "4.35"): Status.WRONG,
        ("unit", r"\frac{41}{12}"): Status.CORRECT,
        ("unit", r"\frac{41}{12} \text{ km}"): Status.CORRECT,
        ("unit", r"\frac{41}{12} \text{ kg}"): Status.WRONG,
        ("several", "84, 69"): Status.CORRECT,
        ("several", "69"): Status.WRONG,
    }
    answers = [Answer("math", rf"\boxed{{{answer}}}", truths[name]) for name, answer in judged]
    verdicts = grader.grade(answers)
    assert dict(zip(judged, (verdict.status for verdict in verdicts), strict=True)) == judged
