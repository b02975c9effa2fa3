"""The verifiers with the signature that verl calls."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from launch import HERE, TIMEOUT, environment

from spro.errors import ConfigError, DataError, WorkerError
from spro.plugins.verl.reward import compute_score

TESTS = json.dumps({"inputs": ["1\n", "5\n"], "outputs": ["2\n", "6\n"]})


def test_mathematics() -> None:
    right = compute_score("math", r"so it is \boxed{\frac{1}{2}}", "0.5", {"index": 3})
    assert right == {"score": 1.0, "acc": 1.0}
    assert compute_score("math", "no box", "0.5")["score"] == 0.0


def test_programs_run_in_the_sandbox_and_are_known_by_their_tests() -> None:
    half = "```python\nprint(2)\n```"
    assert compute_score("taco", half, TESTS)["score"] == 0.5
    assert compute_score("taco", "```python\nprint(int(input()) + 1)\n```", TESTS)["score"] == 1.0


def test_a_ground_truth_that_cannot_be_read_is_not_a_wrong_answer() -> None:
    broken = json.dumps({"inputs": ["1"], "outputs": []})
    with pytest.raises(WorkerError, match="a response to a problem of 'taco' could not be graded"):
        compute_score("taco", "```python\nprint(1)\n```", broken)


@pytest.mark.parametrize("truth", [None, "nan", "null", " ", float("nan")])
def test_a_row_without_a_ground_truth_is_not_a_wrong_answer(truth: object) -> None:
    with pytest.raises(WorkerError, match="a problem of 'math' has no ground truth"):
        compute_score("math", r"\boxed{3}", truth)


@pytest.mark.parametrize("truth", ["3", 3, 3.0])
def test_a_number_is_read_as_text(truth: object) -> None:
    assert compute_score("math", r"\boxed{3}", truth)["score"] == 1.0
    assert compute_score("math", r"\boxed{4}", truth)["score"] == 0.0


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(DataError, match="ground_truth of a row of 'math' is a dict, expected text"):
        compute_score("math", r"\boxed{3}", {"answer": 3})


def test_the_verifier_may_be_named() -> None:
    assert compute_score("x", r"\boxed{1}", "1", verifier="math")["score"] == 1.0
    with pytest.raises(ConfigError, match=r"reward_kwargs.verifier is 'maths'; known: math, code"):
        compute_score("x", r"\boxed{1}", "1", verifier="maths")


def test_a_misspelt_setting_is_no_setting() -> None:
    with pytest.raises(TypeError, match="'verifer'"):
        compute_score("x", r"\boxed{1}", "1", verifer="math")


def test_in_a_worker_of_ray_programs_are_confined_and_graded_side_by_side(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "grade_job.py")]
    done = subprocess.run(command, env=environment(tmp_path, {}), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "scores [1.0, 0.5, 0.0, 1.0, 1.0]" in done.stdout
