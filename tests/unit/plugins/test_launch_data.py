"""Problems become files for verl that spro itself reads back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from spro.config import Config
from spro.errors import ConfigError, RunFolderError
from spro.plugins.launch import data as launch_data
from spro.plugins.launch import write_data
from spro.plugins.launch.data import drawn_prompts, load_problems
from spro.settings import load_config
from spro.tasks import LoadReport, Problem, TaskData, load_task
from tests import eurus


def config(path: Path, *words: str) -> Config:
    small = ("train.prompts_per_step=4", "model.path=owner/model", "task.type=eurus", f"task.path={path}")
    return load_config(None, [*small, *words])


def content(problems: tuple[Problem, ...]) -> list[Problem]:
    """All of them but where they came from."""
    return [replace(problem, problem_id="") for problem in problems]


def test_what_is_written_is_what_was_read(tmp_path: Path) -> None:
    odd = eurus.math_row(99, "\\frac{1}{2}\n")
    odd["prompt"][1]["content"] = 'Zeichen: "ä" \\ 你好 \n\n$x$'
    source = eurus.write(tmp_path / "rows.jsonl", [*eurus.rows(), odd])
    task = load_problems(config(source, "task.held_out_problems=10"))
    files = write_data(task, tmp_path / "run" / "verl")
    assert [file.name for file in files] == ["train.parquet", "held_out.parquet"]
    again = config(files[0], f"task.held_out_path={files[1]}")
    read = load_task(again.task, 0, lambda verifier, ground_truth: "")
    assert len(read.train) == 55
    assert content(read.held_out) == content(task.held_out)
    # The order of files is that of the task; reading without a cut draws another.
    assert content(read.train) == content(task.train)
    assert {problem.verifier for problem in read.train} == {"math", "code"}


def test_the_rows_are_in_the_schema_of_verl(tmp_path: Path) -> None:
    task = load_problems(config(eurus.write(tmp_path / "rows.parquet", [*eurus.rows(8, 1)])))
    (file,) = write_data(task, tmp_path / "verl")
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(file).to_pylist()
    assert len(rows) == 9
    assert rows[0] == {
        "data_source": "numina_synthetic_math",
        "prompt": list(task.train[0].messages),
        "ability": task.train[0].verifier,
        "reward_model": {"style": "rule", "ground_truth": task.train[0].ground_truth},
        "extra_info": {"split": "train", "index": 0},
    } | ({"data_source": "codecontests"} if task.train[0].verifier == "code" else {})
    assert [row["extra_info"]["index"] for row in rows] == list(range(9))


def test_questions_and_answers_of_any_columns_become_such_rows(tmp_path: Path) -> None:
    source = tmp_path / "qa.jsonl"
    source.write_text("".join(json.dumps({"q": f"{i}?", "a": str(i)}) + "\n" for i in range(12)))
    words = ("task.type=math", "task.question_key=q", "task.answer_key=a", "task.system_prompt=Think.")
    task = load_problems(config(source, *words))
    (file,) = write_data(task, tmp_path / "verl")
    read = load_task(config(file).task, 0, lambda verifier, ground_truth: "")
    assert sorted(content(read.train), key=str) == sorted(content(task.train), key=str)
    assert [message["role"] for message in read.train[0].messages] == ["system", "user"]


def test_problems_that_nothing_can_grade_are_counted_and_not_written(tmp_path: Path) -> None:
    rows = [*eurus.rows(12, 0), eurus.math_row(50, '{"answers": []}')]
    task = load_problems(config(eurus.write(tmp_path / "rows.jsonl", rows)))
    assert len(task.train) == 12
    assert "1 skipped: nothing can be graded" in str(task.report)


def test_fewer_problems_than_a_step_draws_are_refused(tmp_path: Path) -> None:
    source = eurus.write(tmp_path / "rows.jsonl", eurus.rows(7, 0))
    with pytest.raises(ConfigError, match=r"a step draws 8 prompts \(train.prompts_per_step 4 times .* there are 7"):
        load_problems(config(source))
    told = r"^a step draws 8 prompts \(train.prompts_per_step 8\), and there are 7 to train on: lower it$"
    for kind in ("dynamic", "none"):
        with pytest.raises(ConfigError, match=told):
            load_problems(config(source, f"filter.type={kind}", "train.prompts_per_step=8"))


def test_the_factor_of_dynamic_sampling_stays_behind(tmp_path: Path) -> None:
    """verl begins with the prompts of a step; spro rolls out three times as many."""
    source = eurus.write(tmp_path / "rows.jsonl", eurus.rows(7, 0))
    ours = config(source, "filter.type=dynamic", "filter.oversample_factor=3")
    assert len(load_problems(ours).train) == 7
    assert drawn_prompts(ours) == 4


def test_a_whole_number_of_prompts_is_one_in_spite_of_rounding(tmp_path: Path) -> None:
    words = ("train.prompts_per_step=100", "filter.oversample_factor=1.1")
    assert drawn_prompts(config(tmp_path / "rows.jsonl", *words)) == 110
    told = r"^filter\.oversample_factor is 1\.13: of 10 prompts a step it must make a whole number"
    with pytest.raises(ConfigError, match=told):
        drawn_prompts(config(tmp_path / "rows.jsonl", "train.prompts_per_step=10", "filter.oversample_factor=1.13"))


def test_a_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_data, "ROWS_AT_ONCE", 5)
    problem = Problem("p", ({"role": "user", "content": "?"},), "1", "math", "x")

    def problems(broken: bool) -> tuple[Problem, ...]:
        last = replace(problem, ground_truth=12) if broken else problem  # type: ignore[arg-type]
        return (*[problem] * 11, last)

    (file,) = write_data(TaskData(problems(broken=False), (), LoadReport()), tmp_path)
    before = file.read_bytes()
    with pytest.raises(pyarrow.ArrowTypeError):
        write_data(TaskData(problems(broken=True), (), LoadReport()), tmp_path)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
    assert pyarrow.parquet.ParquetFile(file).metadata.num_row_groups == 3


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "verl").write_text("in the way")
    task = TaskData((), (), LoadReport())
    with pytest.raises(RunFolderError, match=r"^cannot write the data of the run into"):
        write_data(task, tmp_path / "verl")
