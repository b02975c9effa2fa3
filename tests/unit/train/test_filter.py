"""The filters: what passes, in which order, and how often a step may try."""

import pytest
from pydantic import TypeAdapter

from spro.config import FilterConfig
from spro.train.filter import Everything, InWindow, UnequalScores, build_filter
from spro.window import AccuracyWindow
from tests.unit.train.builders import make_group

WINDOW = InWindow(AccuracyWindow(0.2, 0.8))
ACCURACIES = [[0.0] * 4, [1, 0, 0, 0.0], [1.0] * 4, [1, 1, 0, 0.0], [1, 1, 1, 0.0], [0.0] * 4]
GROUPS = [make_group(i, list(scores)) for i, scores in enumerate(ACCURACIES)]


def test_prompts_in_the_window_come_first_in_their_order() -> None:
    assert [g.prompt.problem.problem_id for g in WINDOW.select(GROUPS, 4)] == ["p1", "p3", "p4", "p0"]
    assert [g.prompt.problem.problem_id for g in WINDOW.select(GROUPS, 2)] == ["p1", "p3"]


@pytest.mark.parametrize(("scores", "passes"), [([0.2, 0.2], True), ([0.8, 0.8], True), ([0.1, 0.2], False)])
def test_the_borders_belong_to_the_window(scores: list[float], passes: bool) -> None:
    assert WINDOW.passes(make_group(0, list(scores))) == passes


def test_groups_whose_scores_are_equal_are_dropped_and_nothing_takes_their_place() -> None:
    assert [g.prompt.problem.problem_id for g in UnequalScores().select(GROUPS, 6)] == ["p1", "p3", "p4"]
    assert [g.prompt.problem.problem_id for g in UnequalScores().select(GROUPS, 2)] == ["p1", "p3"]
    assert not UnequalScores().passes(make_group(0, [0.5, 0.5])), "equal and partly right is still equal"
    assert not UnequalScores().passes(make_group(0, [1.0])), "a group of one"


def test_everything_keeps_the_order() -> None:
    assert Everything().select(GROUPS, 3) == GROUPS[:3]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({}, InWindow(AccuracyWindow(0.2, 0.8))),
        ({"accuracy_low": 0.1}, InWindow(AccuracyWindow(0.1, 0.8))),
        ({"type": "zero_variance"}, UnequalScores(1)),
        ({"type": "dynamic"}, UnequalScores(10)),
        ({"type": "dynamic", "max_rollout_batches": 3}, UnequalScores(3)),
        ({"type": "none"}, Everything()),
    ],
)
def test_the_settings_name_a_filter(section: dict[str, object], expected: object) -> None:
    assert build_filter(TypeAdapter(FilterConfig).validate_python(section)) == expected


def test_unscored_responses_do_not_count_as_wrong() -> None:
    assert make_group(0, [1.0, None, None, 0.0]).mean_score == 0.5
    kept = make_group(0, [1.0, None, 0.0, None], [1, 2, 3, 4]).scored()
    assert kept.scores == (1.0, 0.0)
    assert [len(response.token_ids) for response in kept.responses] == [1, 3]
    assert kept.texts == ("x", "xxx")
