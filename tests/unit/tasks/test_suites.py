"""Suites: small files in the schemas of the benchmarks, whole and odd."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.config import CalculatorTask, ChainTask
from spro.errors import ConfigError, DataError
from spro.tasks import SUITES, LoadReport, Problem, load_suite, load_task
from spro.tasks.suites import LabSuite
from spro.verify.code.tests import CodeTests
from spro.verify.math.truth import MathTruth
from tests import eurus

WIKI = "https://artofproblemsolving.com/wiki/index.php"


def all_graded(verifier: str, ground_truth: str) -> str:
    return ""


def load(name: str, path: Path, limit: int | None = None) -> tuple[tuple[Problem, ...], LoadReport]:
    return load_suite(name, str(path), all_graded, limit)


def load_rows(
    name: str, folder: Path, items: Sequence[dict[str, Any]], file: str = "test.jsonl"
) -> tuple[tuple[Problem, ...], LoadReport]:
    return load(name, eurus.write(folder / file, list(items)))


def question(problem: Problem) -> str:
    (message,) = problem.messages
    assert message["role"] == "user"
    return message["content"]


def amc_row(number: int, **fields: Any) -> dict[str, Any]:
    page = f"{WIKI}/2022_AMC_12A_Problems/Problem_{number}"
    return {"id": number - 1, "problem": f"{number}+1?", "answer": number + 1.0, "url": page} | fields


def math500_row(number: int, **fields: Any) -> dict[str, Any]:
    row = {"problem": f"{number}+1?", "solution": "So.", "answer": str(number + 1), "subject": "Algebra", "level": 1}
    return row | {"unique_id": f"test/algebra/{number}.json"} | fields


def olympiad_row(number: int, **fields: Any) -> dict[str, Any]:
    """As on the hub."""
    row = {"id": number, "question": f"Find ${number}+1$.", "solution": ["So."], "final_answer": [f"${number + 1}$"]}
    row |= {"context": None, "is_multiple_answer": False, "unit": None, "answer_type": "Numerical", "error": None}
    row |= {f"image_{i}": None for i in range(1, 10)} | {"modality": "Text-only", "difficulty": "Competition"}
    row |= {"question_type": "Open-ended", "subfield": "Algebra", "subject": "Math", "language": "English"}
    return row | fields


def contest_row(number: int, **fields: Any) -> dict[str, Any]:
    """As on the hub."""
    row = {"name": f"15{number}_A. Sums", "description": f"Add {number}.\n", "input_file": "", "output_file": ""}
    row |= {
        "public_tests": {"input": ["1\n"], "output": [f"{number + 1}\n"]},
        "private_tests": {"input": ["2\n", "3\n"], "output": [f"{number + 2}\n", f"{number + 3}\n"]},
        "generated_tests": {"input": [], "output": []},
        "solutions": {"language": [3], "solution": ["print(1)"]},
        "time_limit": {"seconds": 2, "nanos": 0},
        "is_description_translated": False,
        "cf_tags": ["math"],
        "difficulty": 7,
    }
    return row | fields


MAKERS = {"amc": amc_row, "aime": amc_row, "math500": math500_row, "olympiadbench": olympiad_row}
MAKERS |= {"code_contests": contest_row}


@pytest.mark.parametrize("file", ["t.parquet", "t.jsonl", "t.json"])
@pytest.mark.parametrize("name", MAKERS)
def test_every_format_gives_the_same_problems_in_the_order_of_the_rows(tmp_path: Path, name: str, file: str) -> None:
    items = [MAKERS[name](number) for number in (3, 1, 2)]
    problems, report = load_rows(name, tmp_path, items, file)
    assert [(p.problem_id, p.ground_truth, p.messages) for p in problems] == [
        (p.problem_id, p.ground_truth, p.messages) for p in load_rows(name, tmp_path, items, "u.jsonl")[0]
    ]
    assert len({p.problem_id for p in problems}) == report.kept == 3
    assert {p.data_source for p in problems} == {*SUITES[name].columns}
    assert not report.skipped


def test_ids_do_not_tell_where_the_files_lie(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two" / "data").mkdir(parents=True)
    items = [{"problem": f"{number}?", "answer": "1"} for number in range(3)]
    one, _ = load("math500", eurus.write(tmp_path / "one" / "test.jsonl", items).parent)
    two, _ = load("math500", eurus.write(tmp_path / "two" / "data" / "test.jsonl", items).parent.parent)
    assert [p.problem_id for p in one] == [f"test.jsonl row {number}" for number in (1, 2, 3)]
    assert one == two


def test_ids_that_come_again_get_a_number_that_no_verifier_changes(tmp_path: Path) -> None:
    items = [amc_row(1), amc_row(1, answer=5.0), amc_row(2), amc_row(1, answer=6.0)]
    path = eurus.write(tmp_path / "amc.jsonl", items)
    ids = ["Problem_1", "Problem_1 #2", "Problem_2", "Problem_1 #3"]
    assert [p.problem_id.split("/")[1] for p in load("amc", path)[0]] == ids
    fewer, report = load_suite("amc", str(path), lambda _, truth: "no" if truth == "5" else "")
    assert [p.problem_id.split("/")[1] for p in fewer] == [ids[0], *ids[2:]]
    assert report.skipped == {"nothing can be graded": 1}


@given(st.lists(st.sampled_from(["a", "b", "a #2", "a #2 #2", "a #3"]), max_size=30))
def test_ids_are_distinct_whatever_the_rows_call_themselves(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        rows = [contest_row(1, name=name) for name in ["a", *names]]
        ids = [p.problem_id for p in load_rows("code_contests", Path(folder), rows)[0]]
        fewer = [p.problem_id for p in load_rows("code_contests", Path(folder), rows[:-1] or rows)[0]]
    assert len(set(ids)) == len(ids) == len(rows)
    assert ids[: len(fewer)] == fewer


def test_amc_by_the_hub_and_by_prime(tmp_path: Path) -> None:
    prime = amc_row(2, solution=None)
    prime["question"] = prime.pop("problem")
    rows = [amc_row(1, answer=142.0), prime, amc_row(3, answer=0.5), amc_row(4, answer=None), amc_row(5, url=None)]
    problems, report = load_rows("amc", tmp_path, rows, "amc.jsonl")
    assert [p.ground_truth for p in problems] == ["142", "3", "0.5", "6"]
    assert [p.problem_id for p in problems] == [f"2022_AMC_12A_Problems/Problem_{i}" for i in (1, 2, 3)] + ["id 4"]
    assert question(problems[0]) == "1+1?" + eurus.MATH_SUFFIX
    assert str(report) == f"4 problems; 1 skipped: no ground truth (first: {tmp_path}/amc.jsonl row 4)"
    # The ids of AI-MO's rows begin anew in every year.
    other_year = amc_row(1, url=f"{WIKI}/2023_AMC_12A_Problems/Problem_1")
    assert len({p.problem_id for p in load_rows("amc", tmp_path, [amc_row(1), other_year])[0]}) == 2


def test_aime_answers_are_text(tmp_path: Path) -> None:
    (problem,), _ = load_rows("aime", tmp_path, [amc_row(1, answer="033")])
    assert (problem.ground_truth, problem.data_source, problem.verifier) == ("033", "aime", "math")


def test_math500_in_columns_has_ids_that_never_meet_those_of_math500_in_rows(tmp_path: Path) -> None:
    rows = [math500_row(number) for number in range(12)]
    columns = {
        "problem": {str(i): row["problem"] for i, row in enumerate(rows)},
        "level": {str(i): "Level 1" for i in range(12)},
        "expected_answer": {str(i): row["answer"] for i, row in enumerate(rows)},
        "id": {str(i): row["unique_id"] for i, row in enumerate(rows)},
    }
    (tmp_path / "columns.json").write_text(json.dumps(columns))
    in_columns, in_rows = load("math500", tmp_path / "columns.json")[0], load_rows("math500", tmp_path, rows)[0]
    assert [p.problem_id for p in in_columns] == [f"id {p.problem_id}" for p in in_rows]
    for one, other in zip(in_columns, in_rows, strict=True):
        assert (one.messages, one.ground_truth) == (other.messages, other.ground_truth)


def test_olympiad_answers_units_tolerances_and_contexts(tmp_path: Path) -> None:
    rows = [
        olympiad_row(1),
        olympiad_row(2, final_answer=["$69$,$84$"], is_multiple_answer=True),
        olympiad_row(3, final_answer=["4.2"], unit="%", error="1e-1"),
        olympiad_row(4, final_answer=["1", "2"], is_multiple_answer=True),
        olympiad_row(5, context="Let $x=1$.", error=0.5),
    ]
    problems, _ = load_rows("olympiadbench", tmp_path, rows)
    assert [p.ground_truth for p in problems[:2]] == ["$2$", "$69$,$84$"]
    assert [MathTruth.read(p.ground_truth) for p in problems[2:]] == [
        MathTruth(("4.2",), "%", 0.1),
        MathTruth(("1", "2")),
        MathTruth(("$6$",), "", 0.5),
    ]
    assert question(problems[0]) == "Find $1+1$." + eurus.MATH_SUFFIX
    assert question(problems[4]) == "Let $x=1$.\n\nFind $5+1$." + eurus.MATH_SUFFIX
    assert [p.problem_id for p in problems] == list("12345")


@pytest.mark.parametrize("file", ["t.parquet", "t.jsonl"])
def test_olympiad_rows_that_are_not_english_text_of_mathematics_are_counted(tmp_path: Path, file: str) -> None:
    rows = [
        olympiad_row(1),
        olympiad_row(2, image_3={"bytes": "iVBO", "path": "2.jpg"}),
        olympiad_row(3, modality="Multimodal"),
        olympiad_row(4, language="Chinese"),
        olympiad_row(5, subject="Physics"),
        olympiad_row(6, answer_type="Need_human_evaluate"),
        olympiad_row(7, final_answer=None),
        olympiad_row(8, final_answer=[]),
        olympiad_row(9, final_answer=[" "]),
        olympiad_row(10, question=None),
    ]
    problems, report = load_rows("olympiadbench", tmp_path, rows, file)
    assert [p.problem_id for p in problems] == ["1"]
    assert report.skipped == {
        "it has images": 2,
        "language 'Chinese' is not english": 1,
        "subject 'Physics' is not math": 1,
        "only a human can grade it": 1,
        "no ground truth": 3,
        "no question": 1,
    }


def test_worked_answers_are_no_final_ones(tmp_path: Path) -> None:
    rows = [{"question": "1+1?", "answer": "It is 2. #### 2", "url": "x/y"}]
    with pytest.raises(DataError, match=r"row 1: answer is worked out .* its suite is gsm8k"):
        load_rows("amc", tmp_path, rows)


def test_gsm8k(tmp_path: Path) -> None:
    rows = [{"question": "1+1?", "answer": "It is <<1+1=2>>2.\n#### 2"}, {"question": "Big?", "answer": "#### 1,234"}]
    problems, _ = load_rows("gsm8k", tmp_path, rows, "test-00000-of-00001.parquet")
    assert [p.ground_truth for p in problems] == ["2", "1,234"]
    assert problems[0].problem_id == "test-00000-of-00001.parquet row 1"
    with pytest.raises(DataError, match=r"test\.jsonl row 1: answer has nothing behind ####; GSM8K rows have"):
        load_rows("gsm8k", tmp_path, [{"question": "1+1?", "answer": "2"}])


@pytest.mark.parametrize("file", ["t.parquet", "t.jsonl"])
def test_code_contests(tmp_path: Path, file: str) -> None:
    rows = [
        contest_row(1, is_description_translated=True),
        contest_row(2, input_file="input.txt"),
        contest_row(3, output_file="output.txt"),
        contest_row(4, **{group: {"input": [], "output": []} for group in ("public_tests", "private_tests")}),
        contest_row(5, description=" "),
        contest_row(6, generated_tests=None, private_tests={"input": ["é\n"], "output": ["é\n"]}),
    ]
    problems, report = load_rows("code_contests", tmp_path, rows, file)
    assert [p.problem_id for p in problems] == ["151_A. Sums", "156_A. Sums"]
    assert question(problems[0]) == "Add 1." + eurus.CODE_SUFFIX
    assert {p.verifier for p in problems} == {"code"}
    tests = [CodeTests.read(p.ground_truth) for p in problems]
    assert tests[0] == CodeTests((b"1\n", b"2\n", b"3\n"), ("2\n", "3\n", "4\n"))
    assert tests[1] == CodeTests((b"1\n", "é\n".encode()), ("7\n", "é\n"))
    assert report.skipped == {
        "it names an input_file, and programs get standard input and output alone": 1,
        "it names an output_file, and programs get standard input and output alone": 1,
        "no ground truth": 1,
        "no question": 1,
    }


def eurus_row(source: str, index: int) -> dict[str, Any]:
    is_code = source in ("codeforces", "codecontests", "apps", "taco")
    row = eurus.code_row(index) if is_code else eurus.math_row(index)
    return row | {"data_source": source}


@pytest.mark.parametrize("file", ["validation.parquet", "validation.jsonl"])
def test_eurus_columns(tmp_path: Path, file: str) -> None:
    wanted = ["numina_cn_k12", "codecontests", "numina_amc_aime", "codeforces", "numina_olympiads"]
    others = ["numina_aops_forum", "numina_synthetic_amc", "apps", "taco", "taco"]
    rows = [eurus_row(source, i) for i, source in enumerate([*wanted, *others, "numina_synthetic_math"])]
    problems, report = load_rows("eurus", tmp_path, rows, file)
    assert [p.data_source for p in problems] == [*wanted, "numina_synthetic_math"]
    assert [SUITES["eurus"].columns[p.data_source] for p in problems] == [
        *("K12", "CodeContests", "AMC", "CodeForces", "Olympiad", "MATH")
    ]
    assert [message["role"] for message in problems[0].messages] == ["system", "user"]
    assert problems[-1].problem_id == "numina_synthetic_math 10"
    assert report.skipped["data_source 'taco' is no column of the suite"] == 2
    assert sum(report.skipped.values()) == len(others)
    assert "assumption" in SUITES["eurus"].note
    assert [*SUITES["eurus"].columns.values()] == ["AMC", "MATH", "Olympiad", "K12", "CodeForces", "CodeContests"]


def test_eurus_without_ground_truth_or_index(tmp_path: Path) -> None:
    rows = [eurus_row("numina_cn_k12", 0), eurus_row("numina_cn_k12", 0), eurus_row("numina_cn_k12", 1)]
    rows[1]["reward_model"]["ground_truth"] = None
    rows[2]["extra_info"] = None
    problems, report = load_rows("eurus", tmp_path, rows, "validation.parquet")
    assert [p.problem_id for p in problems] == ["numina_cn_k12 0", "validation.parquet row 3"]
    assert report.skipped == {"no ground truth": 1}


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("amc", {"answer": 1.0}, r"row 1 has no field 'problem'; its rows have"),
        ("amc", amc_row(1, answer=[1]), r"row 1: answer is a list, expected text"),
        ("amc", amc_row(1, url=["x"]), r"row 1: url is a list, expected text; an id is text or a number"),
        ("math500", math500_row(1, problem={}), r"row 1: problem is a dict, expected text"),
        ("olympiadbench", {"final_answer": ["1"]}, r"row 1 has no field 'question'; OlympiadBench rows have"),
        ("olympiadbench", olympiad_row(1, final_answer="1"), r"row 1: final_answer is no list of texts"),
        ("olympiadbench", olympiad_row(1, final_answer=[True]), r"row 1: final_answer is no list of texts"),
        ("olympiadbench", olympiad_row(1, subject=["Math"]), r"row 1: subject is a list"),
        ("code_contests", {"description": "Add."}, r"row 1 has no field 'public_tests'; CodeContests rows have"),
        ("code_contests", contest_row(1, private_tests=[1]), r"row 1 has no field 'private_tests.input'"),
        (
            "code_contests",
            contest_row(1, public_tests={"input": [1], "output": ["1"]}),
            r"row 1: public_tests.input is no",
        ),
        (
            "code_contests",
            contest_row(1, public_tests={"input": ["1"], "output": []}),
            r"row 1: public_tests has 1 inputs and 0 outputs",
        ),
    ],
)
def test_a_row_that_breaks_its_schema_is_named(tmp_path: Path, name: str, row: dict[str, Any], message: str) -> None:
    path = eurus.write(tmp_path / "rows.jsonl", [row])
    with pytest.raises(DataError, match=rf"rows\.jsonl {message}") as caught:
        load(name, path)
    assert "\n" not in str(caught.value)


def test_a_file_without_a_usable_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no usable problem of the suite 'amc': 0 problems; 1 skipped: no question"):
        load_rows("amc", tmp_path, [amc_row(1, problem="")])


def test_a_limit_counts_usable_rows_and_stops_the_reading(tmp_path: Path) -> None:
    path = eurus.write(tmp_path / "t.jsonl", [amc_row(1, answer=None), amc_row(2), amc_row(3)])
    path.write_text(path.read_text() + "this is not JSON\n")
    problems, report = load("amc", path, 2)
    assert [p.ground_truth for p in problems] == ["3", "4"]
    assert report.kept == 2


def test_the_lab_suites_are_what_training_holds_out() -> None:
    chain, report = load_suite("chain", None, all_graded)
    assert chain == load_task(ChainTask(type="chain"), 0, all_graded).held_out
    assert report.kept == len(chain) == 512
    calculator, report = load_suite("calculator", None, all_graded, 7)
    data = load_task(CalculatorTask(type="calculator"), 0, all_graded)
    assert calculator == data.held_out[:7]
    assert report.kept == 7
    assert (SUITES["chain"].tool, SUITES["calculator"].tool) == (None, data.tool)
    with pytest.raises(ConfigError, match=r"suite 'chain' are generated; leave out the path 'x\.jsonl'"):
        load_suite("chain", "x.jsonl", all_graded)


def test_an_unknown_suite_and_one_that_is_out_of_reach() -> None:
    with pytest.raises(ConfigError, match="there is no suite 'math-500'; did you mean 'math500'"):
        load_suite("math-500", None, all_graded)
    with pytest.raises(DataError, match=r"'Hothan/OlympiadBench'.* the split 'train' of 'OE_TO_maths_en_COMP'"):
        load_suite("olympiadbench", None, all_graded)


def test_every_suite_says_what_it_is() -> None:
    assert [*SUITES] == [
        *("amc", "aime", "math500", "olympiadbench", "gsm8k", "eurus", "code_contests", "chain", "calculator")
    ]
    for name, suite in SUITES.items():
        assert suite.name == name
        assert suite.title
        assert suite.columns
        assert suite.origin
    assert [name for name, suite in SUITES.items() if isinstance(suite, LabSuite)] == ["chain", "calculator"]
