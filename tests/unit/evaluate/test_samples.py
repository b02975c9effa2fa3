"""The file of samples: what is written is read, whatever a model wrote."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import DataError
from spro.evaluate.samples import json_line, prompt_hash, question_hash, read_samples
from spro.tasks import Message, Problem
from tests.unit.evaluate.builders import make_sample


@given(st.text())
def test_a_sample_is_one_line_whatever_it_holds(text: str) -> None:
    line = json_line(replace(make_sample("a", 1.0), response=text, detail=text))
    assert len(line.splitlines()) == 1
    assert line.endswith("\n")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    samples = [make_sample("a", 0.5), make_sample("b\u2028", None), replace(make_sample("c", 1.0), response="\r\n\x00")]
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(map(json_line, samples)))
    assert read_samples(path) == samples


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting"),
        ("[]", "indices"),
        ('{"kind": "greedy"}', "'problem_id'"),
        (json_line(make_sample("a", 1.0)).strip().replace('"sampled"', '"x"'), "'x' is not a valid"),
        (json_line(make_sample("a", 1.0)).strip().replace('"score": 1.0', '"score": "high"'), "score is 'high'"),
        (
            json_line(make_sample("a", 1.0)).strip().replace('"problem_id": "a"', '"problem_id": []'),
            r"problem_id is \[\]",
        ),
    ],
)
def test_a_line_that_is_no_sample_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(json_line(make_sample("a", 1.0)) + line + "\n")
    with pytest.raises(DataError, match=rf"samples\.jsonl line 2 is no sample of an evaluation: .*{reason}"):
        read_samples(path)
    with pytest.raises(DataError, match="cannot read the samples"):
        read_samples(tmp_path / "none.jsonl")


def test_a_question_is_the_same_for_every_model_and_another_for_another_answer() -> None:
    problem = Problem("a", (Message(role="user", content="1+1?"),), "2", "math", "amc")
    assert question_hash(problem) == question_hash(replace(problem, problem_id="b", data_source="c"))
    assert question_hash(problem) != question_hash(replace(problem, ground_truth="3"))
    assert prompt_hash([1, 23]) != prompt_hash([12, 3])
