"""Data files in their real schemas, whole and broken."""

import json
from pathlib import Path

import pytest

from spro.config import EurusTask, MathTask
from spro.errors import DataError
from spro.tasks import load_task
from tests import eurus


def all_graded(verifier: str, ground_truth: str) -> str:
    return ""


def load_eurus(path: Path, **settings: object) -> object:
    return load_task(EurusTask(type="eurus", path=str(path), **settings), seed=0, problem_with=all_graded)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json"])
def test_every_format_gives_the_same_problems(tmp_path: Path, suffix: str) -> None:
    data = load_eurus(eurus.write(tmp_path / f"train{suffix}", eurus.rows(math=30, code=3)))
    assert data.report.kept == len(data.train) == 33
    assert {p.verifier for p in data.train} == {"math", "code"}
    problem = next(p for p in data.train if p.ground_truth == "7")
    assert [m["role"] for m in problem.messages] == ["system", "user"]
    assert problem.messages[1]["content"] == "What is 3 + 4?" + eurus.MATH_SUFFIX
    assert problem.data_source == "numina_synthetic_math"


def test_a_folder_is_read_by_split(tmp_path: Path) -> None:
    eurus.write(tmp_path / "train-00000-of-00002.parquet", [eurus.math_row(1)])
    eurus.write(tmp_path / "train-00001-of-00002.parquet", [eurus.math_row(2)])
    eurus.write(tmp_path / "validation-00000-of-00001.parquet", [eurus.math_row(3)])
    assert {p.ground_truth for p in load_eurus(tmp_path).train} == {"3", "5"}
    assert {p.ground_truth for p in load_eurus(tmp_path, split="validation").train} == {"7"}


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_rows_without_ground_truth_are_counted_and_skipped(tmp_path: Path, suffix: str) -> None:
    bad = eurus.math_row(1)
    bad["reward_model"]["ground_truth"] = None
    empty = eurus.math_row(2)
    empty["reward_model"]["ground_truth"] = "  "
    absent = eurus.math_row(4) | {"reward_model": None}
    path = eurus.write(tmp_path / f"train{suffix}", [eurus.math_row(0), bad, empty, eurus.math_row(3), absent])
    data = load_eurus(path)
    assert str(data.report) == (
        f"2 problems; 2 skipped: no ground truth (first: {path} row 2); "
        f"1 skipped: no ground truth (no field 'reward_model.ground_truth') (first: {path} row 5)"
    )
    assert len(data.train) == 2


def test_problems_that_nothing_can_grade_are_counted_and_skipped(tmp_path: Path) -> None:
    path = eurus.write(tmp_path / "train.jsonl", eurus.rows(math=3, code=2))

    def no_code(verifier: str, ground_truth: str) -> str:
        return f"no {len(ground_truth)} tests" if verifier == "code" else ""

    data = load_task(EurusTask(type="eurus", path=str(path)), seed=0, problem_with=no_code)
    where = f"{path} row 4: no {len(eurus.code_row(0)['reward_model']['ground_truth'])} tests"
    assert str(data.report) == f"3 problems; 2 skipped: nothing can be graded (first: {where})"


def test_held_out_problems_leave_the_training_set(tmp_path: Path) -> None:
    path = eurus.write(tmp_path / "train.jsonl", eurus.rows(math=20, code=0))
    data = load_eurus(path, held_out_problems=5)
    assert (len(data.train), len(data.held_out)) == (15, 5)
    assert not {p.problem_id for p in data.train} & {p.problem_id for p in data.held_out}


def test_held_out_file(tmp_path: Path) -> None:
    train = eurus.write(tmp_path / "train.jsonl", eurus.rows(math=4, code=0))
    held_out = eurus.write(tmp_path / "validation.jsonl", [eurus.math_row(100)])
    assert [p.ground_truth for p in load_eurus(train, held_out_path=str(held_out)).held_out] == ["201"]


def test_what_is_held_out_is_never_trained_on_wherever_it_stands(tmp_path: Path) -> None:
    rows = eurus.rows(math=6, code=0)
    train = eurus.write(tmp_path / "train.jsonl", rows)
    held_out = eurus.write(tmp_path / "validation.jsonl", [rows[1], eurus.math_row(100), rows[4]])
    data = load_eurus(train, held_out_path=str(held_out))
    assert [p.ground_truth for p in data.train] == ["1", "5", "7", "11"]
    assert str(data.report) == f"7 problems; 2 skipped: held out (first: {train} row 2)"
    # The same question in two rows of one file.
    twice = eurus.write(tmp_path / "twice.jsonl", rows + rows)
    data = load_eurus(twice, held_out_problems=2)
    assert not {str(p.messages) for p in data.train} & {str(p.messages) for p in data.held_out}
    with pytest.raises(DataError, match="every problem to train on is held out as well"):
        load_eurus(train, held_out_path=str(train))


def test_a_limit_stops_the_reading(tmp_path: Path) -> None:
    path = eurus.write(tmp_path / "train.jsonl", eurus.rows(math=20, code=0))
    path.write_text(path.read_text() + "this is not JSON\n")
    assert len(load_eurus(path, max_problems=20).train) == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "gives no usable problem: 0 problems"),
        ("{}\n", r"train\.jsonl row 1 has no field 'ability'; Eurus-2-RL-Data rows have"),
        (json.dumps(eurus.math_row(0)) + "\n{broken\n", r"train\.jsonl row 2 is not JSON"),
        ("[1, 2]\n", r"train\.jsonl row 1 holds a JSON list, expected an object"),
        (json.dumps(eurus.math_row(0) | {"prompt": "text"}), r"row 1: prompt is not a list of messages"),
        (json.dumps(eurus.math_row(0) | {"prompt": [{"role": "user"}]}), r"row 1: prompt is not a list of messages"),
        (json.dumps(eurus.math_row(0) | {"reward_model": {"ground_truth": ["4"]}}), r"is a list, expected text"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_row(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        load_eurus(path)
    assert "\n" not in str(caught.value)


def test_other_broken_files(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    (tmp_path / "b.json").write_text('{"prompt": 1}')
    (tmp_path / "c.csv").write_text("a,b\n")
    (tmp_path / "d.jsonl").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").mkdir()
    messages = {
        "a.parquet": "as Parquet",
        "b.json": "expected a list of rows",
        "c.csv": "is no .parquet",
        "d.jsonl": "cannot read",
        "empty": "holds no .parquet",
        "absent.jsonl": "no file or folder",
    }
    for name, message in messages.items():
        with pytest.raises(DataError, match=message):
            load_eurus(tmp_path / name)


def test_a_hub_id_without_a_hub_says_so_in_one_line() -> None:
    with pytest.raises(DataError, match="no file or folder 'nobody/nothing'") as caught:
        load_task(EurusTask(type="eurus", path="nobody/nothing"), seed=0, problem_with=all_graded)
    assert "\n" not in str(caught.value)


def test_questions_and_answers_under_any_names(tmp_path: Path) -> None:
    items = [
        {"question": "1+1?", "ref_answer": 2.0},
        {"question": "2+2?", "ref_answer": None},
        {"question": "3+3?", "ref_answer": float("nan")},
        {"question": "4+4?", "ref_answer": "null"},
    ]
    path = eurus.write(tmp_path / "qa.json", items)
    task = MathTask(
        type="math", path=str(path), question_key="question", answer_key="ref_answer", system_prompt="Think."
    )
    (problem,) = load_task(task, seed=0, problem_with=all_graded).train
    assert problem.ground_truth == "2"
    assert [m["content"] for m in problem.messages] == ["Think.", "1+1?" + eurus.MATH_SUFFIX]
    task = MathTask(type="math", path=str(path), question_key="question")
    with pytest.raises(DataError, match=r"4 skipped: no ground truth \(no field 'answer'\)"):
        load_task(task, seed=0, problem_with=all_graded)
    with pytest.raises(DataError, match=r"row 1 has no field 'problem'; .*task\.question_key"):
        load_task(MathTask(type="math", path=str(path)), seed=0, problem_with=all_graded)
