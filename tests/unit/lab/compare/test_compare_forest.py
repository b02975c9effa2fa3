"""The figure of the final result against the tables of the same comparison."""

import csv
import io
import re
from pathlib import Path

import pytest

from spro.lab.compare.forest import make_forest
from spro.lab.compare.rebuild import rebuild_comparison
from spro.lab.compare.records import read_comparison
from spro.lab.compare.results import Results, accuracy_table, differences_table, find_results, runs_table
from spro.lab.compare.summary import Scores, Summary
from spro.lab.compare.table import csv_of
from spro.report import Forest, ForestRow, Whisker
from spro.report.forest import render_forest
from spro.report.forest_figure import render_csv
from tests.unit.lab.compare.examples import learned, summary, usual, write_comparison


def results_of(folder: Path) -> Results:
    return find_results(read_comparison(folder))


def forest_of(results: Results) -> Forest:
    forest = make_forest(results)
    assert forest is not None
    return forest


def rows_of(forest: Forest) -> dict[str, ForestRow]:
    return {row.label: row for row in forest.rows}


def marks(right: str) -> list[Scores]:
    return [Scores(f"p{i}", "chain", (float(mark),), None) for i, mark in enumerate(right)]


def flat(right: str) -> Summary:
    return summary({0: 0.1, 10: 0.5}, marks(right))


def test_page_and_file_have_the_numbers_of_the_tables(tmp_path: Path) -> None:
    results = results_of(usual(tmp_path / "c"))
    assert results.sampled is not None
    forest = forest_of(results)
    finals, differences = accuracy_table(results.comparison, results.sampled), differences_table(results)
    shown = {row[0]: row[-1] for row in finals.text.rows}
    beside = {row[0]: row[2] for row in differences.text.rows}
    texts = re.findall(r'class="number">([^<]*)<', render_forest(forest))
    expected = [(shown[label], beside.get(f"{label} - grpo", "baseline")) for label in ("grpo", "spro", "prime")]
    found = [(one, other.removesuffix(", 2 seeds")) for one, other in zip(texts[:3], texts[3:], strict=True)]
    assert found == expected

    def six(row: dict[str, str], *names: str) -> list[str]:
        return [format(float(row[name]), ".6g") for name in names]

    tabled = {row["method"]: row for row in csv.DictReader(io.StringIO(csv_of(finals)))}
    points = {row["difference"]: row for row in csv.DictReader(io.StringIO(csv_of(differences)))}
    whole = [row for row in csv.DictReader(io.StringIO(render_csv(forest))) if not row["seed"]]
    assert [row["method"] for row in whole] == ["grpo", "spro", "prime"]
    for row in whole:
        own = six(row, "accuracy", "accuracy low", "accuracy high")
        assert own == six(tabled[row["method"]], "Avg.", "Avg. low", "Avg. high")
        if row["method"] != "grpo":
            own = six(row, "difference", "difference low", "difference high")
            assert own == six(points[f"{row['method']} - grpo"], "points", "points low", "points high")
    assert whole[0]["difference"] == ""


def test_seeds_are_what_the_table_of_runs_says_where_there_is_one_column(tmp_path: Path) -> None:
    runs = {"grpo": {3: flat("1000"), 5: flat("1110")}, "spro": {3: flat("1100"), 5: Summary(failure="no")}}
    results = results_of(write_comparison(tmp_path / "c", runs))
    tabled = {row[0]: row[1] for row in runs_table(results.comparison).rows}
    for row in forest_of(results).rows:
        for seed, value in row.seeds.items():
            expected = tabled[f"{row.label}-seed-{seed}"]
            assert value == (None if expected is None else pytest.approx(expected.value))
    assert rows_of(forest_of(results))["spro"].seeds == {3: pytest.approx(50.0), 5: None}
    assert rows_of(forest_of(results))["spro"].count == "1 of 2 seeds"


def test_seeds_weigh_columns_as_their_mean_does(tmp_path: Path) -> None:
    def scores(amc: str, math_: str) -> list[Scores]:
        both = [("amc", mark) for mark in amc] + [("math", mark) for mark in math_]
        return [Scores(f"p{i}", source, (float(mark),), None) for i, (source, mark) in enumerate(both)]

    curve = {0: 0.1, 10: 0.5}
    runs = {"spro": {0: summary(curve, scores("11", "1000")), 1: summary(curve, scores("10", "1110"))}}
    (row,) = forest_of(results_of(write_comparison(tmp_path / "c", runs))).rows
    assert row.seeds == {0: pytest.approx(62.5), 1: pytest.approx(62.5)}
    assert isinstance(row.final, Whisker)
    assert row.final.value == pytest.approx(62.5)


def test_what_has_no_result_is_said_to_have_none(tmp_path: Path) -> None:
    runs = {"grpo": {0: flat("1000")}, "spro": {0: Summary(failure="no")}, "prime": {}}
    forest = forest_of(results_of(write_comparison(tmp_path / "c", runs)))
    assert [(row.label, row.final, row.seeds) for row in forest.rows[1:]] == [
        ("spro", "failed", {0: None}),
        ("prime", "not run yet", {0: None}),
    ]
    assert len(forest.panels) == 1
    assert "difference" not in forest.note
    lines = render_csv(forest).splitlines()
    assert lines[-4:] == ["spro,,,,,,,,,", "spro,0,,,,,,,,", "prime,,,,,,,,,", "prime,0,,,,,,,,"]


def test_without_a_common_seed_there_is_no_difference(tmp_path: Path) -> None:
    runs = {"grpo": {0: flat("1000")}, "spro": {1: flat("1100")}, "prime": {0: flat("1110")}}
    rows = rows_of(forest_of(results_of(write_comparison(tmp_path / "c", runs))))
    assert rows["grpo"].difference == "baseline"
    assert rows["spro"].difference == "no seed in common"
    assert isinstance(rows["prime"].difference, Whisker)


def test_a_difference_names_the_seeds_that_it_rests_on_where_these_are_fewer(tmp_path: Path) -> None:
    seeds = {seed: flat("1100") for seed in range(3)}
    runs = {"grpo": {0: flat("1000"), 1: flat("1010")}, "spro": seeds, "prime": {0: flat("1110")}}
    forest = forest_of(results_of(write_comparison(tmp_path / "c", runs)))
    differences = [row.difference for row in forest.rows[1:]]
    assert [(one.text.partition(", ")[2], one.seeds) for one in differences if isinstance(one, Whisker)] == [
        ("2 seeds", 2),
        ("1 seed", 1),
    ]
    assert "Of one seed (prime) the interval is for other problems and not for other seeds." in forest.note
    whole = [row for row in csv.DictReader(io.StringIO(render_csv(forest))) if not row["seed"]]
    assert [(row["seeds"], row["difference seeds"]) for row in whole] == [("2", ""), ("3", "2"), ("1", "1")]


def test_a_baseline_that_shares_no_seed_is_held_against_nobody(tmp_path: Path) -> None:
    runs = {"grpo": {0: flat("1000")}, "spro": {1: flat("1100")}, "prime": {1: flat("1110")}}
    forest = forest_of(results_of(write_comparison(tmp_path / "c", runs)))
    assert [row.difference for row in forest.rows] == ["", "", ""]
    assert "No method shares a seed with grpo, so that nothing is held against it." in forest.note
    assert "no seed in common" not in render_forest(forest)


@pytest.mark.parametrize(("methods", "is_corrected"), [(2, False), (3, True)])
def test_only_p_is_corrected_and_only_of_several_tests(tmp_path: Path, methods: int, is_corrected: bool) -> None:
    runs = {label: {0: flat(right)} for label, right in (("grpo", "1000"), ("spro", "1100"), ("prime", "1110"))}
    kept = dict(list(runs.items())[:methods])
    note = forest_of(results_of(write_comparison(tmp_path / "c", kept))).note
    assert "The other panel: the paired difference from grpo in points." in note
    assert ("No interval is corrected for their number; p in the table of differences is." in note) == is_corrected


def test_a_baseline_without_a_result_leaves_the_scores_alone(tmp_path: Path) -> None:
    runs = {"grpo": {0: Summary(failure="no")}, "spro": {0: flat("1100")}, "prime": {0: flat("1110")}}
    forest = forest_of(results_of(write_comparison(tmp_path / "c", runs, baseline="grpo")))
    assert len(forest.panels) == 1
    assert [row.final if isinstance(row.final, str) else row.final.value for row in forest.rows] == ["failed", 50, 75]
    assert [row.difference for row in forest.rows] == ["", "", ""]
    assert "in common" not in render_forest(forest)


def test_a_single_method_and_a_single_seed(tmp_path: Path) -> None:
    forest = forest_of(results_of(write_comparison(tmp_path / "c", {"spro": {0: flat("1100")}})))
    (row,) = forest.rows
    assert isinstance(row.final, Whisker)
    assert row.final.low < row.final.value == 50.0 < row.final.high
    assert "not for other seeds" in forest.note
    assert not row.dots


def test_the_model_before_training_and_columns_are_told(tmp_path: Path) -> None:
    note = forest_of(results_of(usual(tmp_path / "c"))).note
    assert note.startswith("Avg., the mean of 2 columns.")
    assert "The model before training has 15.4 (" in note


def test_looks_are_those_of_the_curves(tmp_path: Path) -> None:
    runs = {f"m{index}": {0: learned(0.5, 10, index)} for index in range(9)}
    runs["m0"] = {0: Summary(failure="no")}
    forest = forest_of(results_of(write_comparison(tmp_path / "c", runs)))
    assert [row.look for row in forest.rows] == [0, 1, 2, 3, 4, 5, 6, 7, 0]


def test_it_goes_when_there_is_nothing_any_longer(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "c", {"spro": {0: flat("1100")}})
    rebuild_comparison(folder)
    assert {path.name for path in folder.glob("figures/final.*")} == {"final.png", "final.csv"}
    assert 'id="forest-final"' in (folder / "comparison.html").read_text()
    (folder / "summaries/spro-seed-0.json").unlink()
    rebuild_comparison(folder)
    assert not list(folder.glob("figures/final.*"))
    assert 'id="forest-final"' not in (folder / "comparison.html").read_text()
