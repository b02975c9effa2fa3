"""Tables of hand-made summaries, against numbers worked out by hand or by slow loops."""

import random
from pathlib import Path

import numpy as np
import pytest

from spro.errors import RunFolderError
from spro.lab.compare.reach import FLOPS, HOURS, STEPS, TOKENS
from spro.lab.compare.records import read_comparison
from spro.lab.compare.results import Results, find_results, make_tables
from spro.lab.compare.summary import Scores, Summary
from spro.lab.compare.table import Number, Table, csv_of, markdown_of
from spro.lab.compare.words import headline, remarks
from spro.statistics import average_score, crossed_difference
from tests.unit.lab.compare.examples import learned, scores_of, summary, usual, write_comparison


def results_of(folder: Path) -> Results:
    return find_results(read_comparison(folder))


def table(results: Results, name: str) -> Table:
    return next(one for one in make_tables(results) if one.name == name)


def cells(table: Table, title: str) -> dict[str, object]:
    place = [column.title for column in table.columns].index(title)
    return {str(row[0]): row[place] for row in table.rows}


def flat(right: str, source: str = "chain") -> list[Scores]:
    """``110`` is right, right, wrong; greedy is the other way round."""
    return [Scores(f"p{i}", source, (float(mark),), 1.0 - float(mark)) for i, mark in enumerate(right)]


def test_accuracies_are_means_over_seeds_and_columns_count_alike(tmp_path: Path) -> None:
    def scores(amc: str, math_: str) -> list[Scores]:
        marks = [("amc", mark) for mark in amc] + [("math", mark) for mark in math_]
        return [Scores(f"p{i}", source, (float(mark),), None) for i, (source, mark) in enumerate(marks)]

    curve = {0: 0.1, 10: 0.5}
    runs = {"spro": {0: summary(curve, scores("11", "1000")), 1: summary(curve, scores("10", "1110"))}}
    base = Summary(scores=tuple(scores("00", "1000")))
    found = table(results_of(write_comparison(tmp_path / "c", runs, base)), "table1-sampled")
    assert [column.title for column in found.columns] == ["method", "seeds", "amc", "math", "Avg."]
    values = {title: {m: n.value for m, n in cells(found, title).items()} for title in ("amc", "math", "Avg.")}
    assert values["amc"] == {"base model": 0.0, "spro": 75.0}
    assert values["math"] == {"base model": 25.0, "spro": 50.0}
    assert values["Avg."] == {"base model": pytest.approx(12.5), "spro": pytest.approx(62.5)}


def test_greedy_stands_beside_sampled(tmp_path: Path) -> None:
    runs = {"spro": {0: summary({0: 0.1, 10: 0.5}, flat("1110"))}}
    results = results_of(write_comparison(tmp_path / "c", runs))
    assert cells(table(results, "table1-sampled"), "Avg.")["spro"].value == 75.0
    assert cells(table(results, "table1"), "Avg.")["spro"].value == 25.0
    one = average_score([[1.0], [1.0], [1.0], [0.0]])
    assert cells(table(results, "table1-sampled"), "chain")["spro"] == Number(75.0, 100 * one.low, 100 * one.high)


def test_what_one_model_could_not_be_graded_on_counts_for_none(tmp_path: Path) -> None:
    ungraded = [*flat("11"), Scores("p2", "chain", (), None)]
    runs = {
        "spro": {0: summary({0: 0.1, 10: 0.5}, ungraded)},
        "grpo": {0: summary({0: 0.1, 10: 0.5}, flat("010"))},
    }
    results = results_of(write_comparison(tmp_path / "c", runs))
    found = table(results, "table1-sampled")
    assert {m: n.value for m, n in cells(found, "Avg.").items()} == {"spro": 100.0, "grpo": 50.0}
    assert "1 problems are left out" in found.note


def test_summaries_of_different_problems_are_an_error(tmp_path: Path) -> None:
    runs = {
        "spro": {0: summary({0: 0.1, 10: 0.5}, flat("11"))},
        "grpo": {0: summary({0: 0.1, 10: 0.5}, flat("111"))},
    }
    with pytest.raises(RunFolderError, match="different problems, such as 'p2'"):
        results_of(write_comparison(tmp_path / "c", runs))


def test_pairs_are_tested_with_the_seeds_that_both_have(tmp_path: Path) -> None:
    folder = usual(tmp_path / "c")
    results = results_of(folder)
    assert [(one.label, one.other, one.seeds) for one in results.tests] == [
        ("spro", "grpo", 3),
        ("prime", "grpo", 2),
        ("prime", "spro", 2),
    ]
    # Holm by hand: the smallest times 3, the next times 2, never falling.
    raw = sorted((one.difference.p_value, one.p_holm) for one in results.tests)
    largest = 0.0
    for place, (p, corrected) in enumerate(raw):
        largest = max(largest, min(1.0, p * (3 - place)))
        assert corrected == pytest.approx(largest)
    assert "3 comparisons were made" in table(results, "differences").note


def test_a_difference_of_one_column_is_the_crossed_one(tmp_path: Path) -> None:
    dice = random.Random(1)
    runs = {
        label: {
            seed: summary({0: 0.1, 10: 0.5}, flat("".join(dice.choice("01") for _ in range(30)))) for seed in (3, 5)
        }
        for label in ("a", "b")
    }
    (one,) = results_of(write_comparison(tmp_path / "c", runs)).tests
    rows = [np.array([[s.sampled[0] for s in runs[label][seed].scores] for seed in (3, 5)]) for label in ("b", "a")]
    assert one.difference == crossed_difference(*rows)
    assert (one.label, one.other) == ("b", "a")


def test_the_target_and_what_it_takes(tmp_path: Path) -> None:
    # At 0.4 after 20 of 30 steps, and after 5 and 10; grpo's runs come to 0.4 and 0.6.
    runs = {
        "grpo": {
            0: summary({0: 0.0, 10: 0.2, 20: 0.4}, flat("10")),
            1: summary({0: 0.0, 10: 0.2, 20: 0.6}, flat("10")),
        },
        "spro": {0: summary({0: 0.0, 10: 0.8}, flat("11"), 300), 1: summary({0: 0.0, 10: 0.4}, flat("11"), 300)},
    }
    results = results_of(write_comparison(tmp_path / "c", runs, baseline="grpo"))
    assert results.target == 0.4
    steps, tokens = results.costs[STEPS], results.costs[TOKENS]
    assert (steps["grpo"].reach.value, steps["grpo"].reach.reached) == (pytest.approx((20 + 15) / 2), 2)
    assert steps["spro"].reach.value == pytest.approx((5 + 10) / 2)
    assert steps["spro"].ratio.value == pytest.approx(17.5 / 7.5)
    # Of two seeds the bootstrap draws one twice, or both.
    assert (steps["spro"].ratio.low, steps["spro"].ratio.high) == (pytest.approx(15 / 10), pytest.approx(20 / 5))
    assert tokens["spro"].ratio.value == pytest.approx(17.5 / (3 * 7.5))
    assert results.costs[FLOPS]["spro"].reach.value == pytest.approx(2e6 * 300 * 7.5)
    assert results.costs[HOURS]["spro"].reach.value == pytest.approx(7.5 * 36 / 3600)


def test_a_target_that_is_never_reached_is_said_to_be(tmp_path: Path) -> None:
    runs = {label: {seed: summary({0: 0.0, 10: 0.4}, flat("10")) for seed in (0, 1)} for label in ("grpo", "spro")}
    results = results_of(write_comparison(tmp_path / "c", runs, target_accuracy=0.9))
    cost = table(results, "cost")
    assert cells(cost, "reached") == {"grpo": "0 of 2", "spro": "0 of 2"}
    assert "not reached" in cost.text.rows[1]
    assert "accuracy of 90.0 %" in cost.title
    assert csv_of(cost).splitlines()[2].startswith("spro,0 of 2,,,,,,,")


def test_failed_runs_are_told_and_are_no_zeros(tmp_path: Path) -> None:
    results = results_of(usual(tmp_path / "c"))
    found = table(results, "table1-sampled")
    assert cells(found, "seeds")["prime"] == "2 of 3"
    alone = np.array([[sum(s.sampled) / 4 for s in learned(0.56, 150, seed).scores] for seed in (0, 1)])
    assert cells(found, "Avg.")["prime"].value == pytest.approx(100 * alone.mean())
    states = cells(table(results, "runs"), "state")
    assert states["prime-seed-2"] == "failed: exit code 1: TrainingError: step 5: loss or gradient is not finite"
    assert "prime with seed 2" in " ".join(remarks(results))


def test_what_was_not_run_yet_has_not_failed(tmp_path: Path) -> None:
    runs = {
        "grpo": {0: summary({0: 0.1, 10: 0.5}, flat("10")), 1: summary({0: 0.1, 10: 0.5}, flat("10"))},
        "spro": {0: Summary(failure="exit code 1: no")},
        "prime": {},
    }
    results = results_of(write_comparison(tmp_path / "c", runs))
    rows = {row[0]: row for row in table(results, "table1").text.rows}
    assert rows["spro"] == ("spro", "0 of 2", "-", "failed")
    assert rows["prime"] == ("prime", "0 of 2", "-", "not run yet")
    states = cells(table(results, "runs"), "state")
    assert states["spro-seed-0"] == "failed: exit code 1: no"
    assert states["spro-seed-1"] == states["prime-seed-0"] == "not run yet"
    told = " ".join(remarks(results))
    assert "Without a result: spro with seed 0 (see" in told
    assert "Not run yet: spro with seed 1, prime with seed 0, prime with seed 1." in told
    assert csv_of(table(results, "table1")).splitlines()[-1] == "prime,0 of 2,,,,,,"


def test_a_ratio_that_may_have_no_bound_says_so(tmp_path: Path) -> None:
    runs = {
        "grpo": {seed: summary({0: 0.0, 10: 0.4 if seed else 0.2}, flat("10")) for seed in range(3)},
        "spro": {seed: summary({0: 0.0, 10: 0.8}, flat("10")) for seed in range(3)},
    }
    cost = table(results_of(write_comparison(tmp_path / "c", runs, target_accuracy=0.4)), "cost").text
    row = dict(zip(cost.heads, cost.rows[1], strict=True))
    assert row["steps, grpo / method"] == "2.00 (2.00 to no bound)"
    assert dict(zip(cost.heads, cost.rows[0], strict=True))["steps"] == "10.0 (10.0 to never)"


def test_a_method_without_a_single_run_has_a_row_that_says_so(tmp_path: Path) -> None:
    runs = {"grpo": {0: summary({0: 0.1, 10: 0.5}, flat("10"))}, "spro": {0: Summary(failure="exit code 1: no")}}
    results = results_of(write_comparison(tmp_path / "c", runs))
    assert table(results, "table1").text.rows[-1] == ("spro", "0 of 1", "-", "failed")
    assert headline(results).endswith("No other method has a finished run.")


def test_without_any_run_there_is_nothing_to_say_and_no_error(tmp_path: Path) -> None:
    runs = {label: {0: Summary(failure="exit code 1: no")} for label in ("grpo", "spro")}
    results = results_of(write_comparison(tmp_path / "c", runs))
    assert headline(results) == "No run came to its end, so there is nothing to compare."
    assert [one.name for one in make_tables(results)] == ["runs"]


def test_the_headline_says_no_more_than_the_test(tmp_path: Path) -> None:
    results = results_of(usual(tmp_path / "usual"))
    assert headline(results).startswith("spro ended best, with ")
    assert headline(results).endswith("which is distinguishable from it.")


@pytest.mark.parametrize(
    ("baseline", "ending"),
    [
        ("worse", "which is not distinguishable from it."),
        ("better", "it is the baseline, and no other method is distinguishable from it."),
    ],
)
def test_a_small_lead_is_called_what_it_is(tmp_path: Path, baseline: str, ending: str) -> None:
    runs = {
        label: {seed: summary({0: 0.1, 10: 0.5}, flat(marks)) for seed in (0, 1)}
        for label, marks in (("better", "1110000000"), ("worse", "1100000000"))
    }
    results = results_of(write_comparison(tmp_path / "c", runs, baseline=baseline))
    assert headline(results).startswith("better ended best, with 30.0 %")
    assert headline(results).endswith(ending)
    assert "Not distinguishable at the end: " in " ".join(remarks(results))


def test_what_ends_level_is_called_level(tmp_path: Path) -> None:
    runs = {
        label: {seed: summary({0: 0.1, 10: 0.5}, flat("1100000000")) for seed in (0, 1)} for label in ("grpo", "spro")
    }
    results = results_of(write_comparison(tmp_path / "c", runs))
    assert headline(results).startswith("grpo and spro ended level, with 20.0 %")
    assert headline(results).endswith("none ended above them.")


def test_what_the_model_before_training_had_already_is_said(tmp_path: Path) -> None:
    base = Summary(scores=tuple(flat("1111000000")))
    below = {"grpo": {seed: summary({0: 0.4, 10: 0.3}, flat("1110000000")) for seed in (0, 1)}}
    told = " ".join(remarks(results_of(write_comparison(tmp_path / "below", below, base))))
    assert "No method ended above the model before training, which has 40.0 %" in told
    assert "The model before training has the target accuracy already" in told
    above = {"grpo": {seed: summary({0: 0.4, 10: 0.6}, flat("1111100000")) for seed in (0, 1)}}
    told = " ".join(remarks(results_of(write_comparison(tmp_path / "above", above, base))))
    assert "before training" not in told


def test_a_failure_is_no_markup(tmp_path: Path) -> None:
    runs = {"grpo": {0: summary({0: 0.1, 10: 0.5}, flat("10"))}, "spro": {0: Summary(failure="no <img src=x> | a")}}
    text = markdown_of(table(results_of(write_comparison(tmp_path / "c", runs)), "runs"))
    assert "failed: no &lt;img src=x> \\| a" in text
    assert "<" not in text


def test_one_that_ends_below_the_baseline_beyond_chance(tmp_path: Path) -> None:
    runs = {
        label: {seed: summary({0: 0.1, 10: 0.5}, flat(marks * 40)) for seed in (0, 1)}
        for label, marks in (("grpo", "1"), ("spro", "0"))
    }
    results = results_of(write_comparison(tmp_path / "c", runs))
    assert headline(results).endswith("it is the baseline, and spro ended below it beyond chance.")


def test_one_seed_is_called_what_it_is(tmp_path: Path) -> None:
    runs = {label: {0: learned(0.5, 20, place)} for place, label in enumerate(("a", "b"))}
    results = results_of(write_comparison(tmp_path / "c", runs))
    assert remarks(results)[0].startswith("One seed a method")
    row = table(results, "behaviour").text.rows[0]
    assert "(" not in "".join(row)


def test_one_seed_among_several_is_called_what_it_is(tmp_path: Path) -> None:
    runs = {label: {seed: learned(0.5, 20, place) for seed in range(2)} for place, label in enumerate(("a", "b", "c"))}
    runs["b"][1] = Summary(failure="no")
    results = results_of(write_comparison(tmp_path / "some", runs))
    assert remarks(results)[0].startswith("1 to 2 seeds a method.")
    assert "Of b there is one seed: its intervals and tests speak of this trained model" in remarks(results)[0]
    assert "Of one seed (b) it is for other problems" in table(results, "table1").note
    runs["a"][1] = runs["c"][1] = Summary(failure="no")
    assert remarks(results_of(write_comparison(tmp_path / "all", runs)))[0].startswith("One seed a method: ")


def test_methods_that_share_a_single_seed_are_tested_as_two_models(tmp_path: Path) -> None:
    runs = {"a": {seed: learned(0.5, 20, 0) for seed in (0, 1)}, "b": {seed: learned(0.5, 20, 1) for seed in (1, 2)}}
    told = remarks(results_of(write_comparison(tmp_path / "c", runs)))[0]
    assert told.startswith("2 seeds a method.")
    assert told.endswith("make them wide. Of two methods that share one seed alone the test is of two trained models.")


def test_without_a_problem_that_was_graded_for_all_there_is_nothing_to_compare(tmp_path: Path) -> None:
    ungraded = [Scores("p0", "chain", (), None)]
    runs = {"grpo": {0: summary({0: 0.1, 10: 0.5}, ungraded)}}
    results = results_of(write_comparison(tmp_path / "c", runs))
    assert headline(results) == "No problem has a graded answer of every model, so there is nothing to compare."


def test_a_collapse_is_told(tmp_path: Path) -> None:
    dice = random.Random(0)
    fallen = summary({0: 0.4, 10: 0.1}, scores_of(0.1, 20, 2, dice), collapse="collapsed at step 7; likely cause: kl")
    results = results_of(write_comparison(tmp_path / "c", {"spro": {0: fallen}}))
    assert cells(table(results, "runs"), "state")["spro-seed-0"] == "collapsed at step 7; likely cause: kl"
    assert "Runs of spro collapsed" in remarks(results)[-1]
