"""The program that measures a policy, on the embedded model and graders that a user may bring."""

import json
from pathlib import Path

import pytest

from spro.lab.compare.final import main
from spro.lab.compare.measurement import Measurement
from spro.lab.compare.records import read_comparison
from spro.lab.compare.results import find_results, make_tables
from spro.lab.compare.summary import Scores
from spro.lab.compare.table import Number
from spro.settings import dump_config, load_config
from tests.unit.lab.compare.examples import summary, write_comparison

GRADER = """
def half(completions, **columns):
    return [0.5] * len(completions)

def silent(completions, **columns):
    return [None] * len(completions)
"""


def measurement(folder: Path, function: str, max_unscored_share: float = 0.5) -> Measurement:
    words = (
        "task.held_out_problems=6",
        "task.train_problems=64",
        "rollout.max_response_length=16",
        f"verify.function.path=grader.{function}",
        f"verify.max_unscored_share={max_unscored_share}",
    )
    (folder / "grader.py").write_text(GRADER)
    (folder / "run.yaml").write_text(dump_config(load_config(None, words)))
    return Measurement("run.yaml", None, "scores.json", 0, 0, 2, True, None, False)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_half_an_answer_is_half_a_score_and_no_right_answer(tmp_path: Path) -> None:
    assert main([measurement(tmp_path, "half").words]) == 0
    rows = json.loads(Path("scores.json").read_text())
    assert [(row["sampled"], row["greedy"]) for row in rows] == [([0.5, 0.5], 0.0)] * 6
    scores = [Scores(**{**row, "sampled": tuple(row["sampled"])}) for row in rows]
    folder = write_comparison(
        tmp_path / "c", {"spro": {0: summary({0: 0.0, 10: 0.0}, scores)}}, evaluate={"samples": 2}
    )
    tables = {table.name: table for table in make_tables(find_results(read_comparison(folder)))}
    assert tables["table1"].title == "Final pass@1 in percent, greedy"
    assert tables["table1-sampled"].title == "Final avg@2 in percent, mean score of the sampled answers"
    (greedy,), (sampled,) = tables["table1"].rows, tables["table1-sampled"].rows
    assert isinstance(greedy[-1], Number)
    assert isinstance(sampled[-1], Number)
    assert (greedy[-1].value, sampled[-1].value) == (0.0, pytest.approx(50.0))
    run = tables["runs"].text
    assert run.rows[0][run.heads.index("avg@2, %")] == "50.0"
    assert run.rows[0][run.heads.index("greedy pass@1, %")] == "0.0"


def test_what_cannot_be_graded_is_no_measurement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([measurement(tmp_path, "silent").words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("spro: 12 of 12 answers could not be graded, more than verify.max_unscored_share = 50%")
    assert "the reward function gave None" in said
    assert not Path("scores.json").exists()


def test_what_the_settings_allow_is_left_out(tmp_path: Path) -> None:
    assert main([measurement(tmp_path, "silent", 1.0).words]) == 0
    rows = json.loads(Path("scores.json").read_text())
    assert [(row["sampled"], row["greedy"]) for row in rows] == [([], None)] * 6
