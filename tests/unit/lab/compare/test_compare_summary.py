from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.errors import RunFolderError
from spro.lab.compare.summary import DIGITS, Scores, Summary, follow, read_summary, write_summary

NUMBERS = st.floats(0, 1e15).map(lambda number: float(f"{number:.{DIGITS}g}"))
SCORES = st.builds(
    Scores,
    problem_id=st.text(),
    data_source=st.text(),
    sampled=st.lists(st.floats(0, 1)).map(tuple),
    greedy=st.none() | st.floats(0, 1),
)


@given(
    st.builds(
        Summary,
        steps=st.lists(st.integers(0, 10**6)).map(tuple),
        series=st.dictionaries(st.text(), st.lists(st.none() | NUMBERS).map(tuple)),
        hours=st.lists(NUMBERS).map(tuple),
        collapse=st.text(),
        failure=st.text(),
        scores=st.lists(SCORES).map(tuple),
    )
)
def test_it_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, summary: Summary) -> None:
    path = tmp_path_factory.mktemp("summary") / "one.json"
    write_summary(path, summary)
    assert read_summary(path) == summary
    assert [one.name for one in path.parent.iterdir()] == ["one.json"]


def test_the_series_of_a_run() -> None:
    rows = [
        (0, {"eval/accuracy": 0.123456789}),
        (1, {"tokens": 1234567.0, "time/step_s": 36.0, "entropy": None, "strange": 1.0}),
        (2, {"tokens": 2469134.0, "time/step_s": 72.0, "eval/accuracy": 0.5}),
    ]
    summary = follow(rows)
    assert summary.steps == (0, 1, 2)
    assert summary.hours == (0.0, 0.01, 0.03)
    assert summary.series == {"eval/accuracy": (0.123457, None, 0.5), "tokens": (None, 1234570.0, 2469130.0)}
    assert summary.curve("tokens") == {1: 1234570.0, 2: 2469130.0}
    assert summary.curve("kl") == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"steps": [0]', '{"steps": 3}'])
def test_a_damaged_one_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "spro-seed-0.json"
    path.write_text(text)
    with pytest.raises(RunFolderError, match=r"spro-seed-0\.json is no summary of a run"):
        read_summary(path)
