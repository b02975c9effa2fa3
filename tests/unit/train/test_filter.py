"""The accuracy filter: the window first, in order, then the rest, cut to the batch."""

import pytest

from spro.train.filter import AccuracyWindow
from tests.unit.train.builders import make_group

WINDOW = AccuracyWindow(0.2, 0.8)


def test_prompts_in_the_window_come_first_in_their_order() -> None:
    accuracies = [[0.0] * 4, [1, 0, 0, 0.0], [1.0] * 4, [1, 1, 0, 0.0], [1, 1, 1, 0.0], [0.0] * 4]
    groups = [make_group(i, list(scores)) for i, scores in enumerate(accuracies)]
    assert [g.prompt.problem.problem_id for g in WINDOW.select(groups, 4)] == ["p1", "p3", "p4", "p0"]
    assert [g.prompt.problem.problem_id for g in WINDOW.select(groups, 2)] == ["p1", "p3"]


@pytest.mark.parametrize(("scores", "passes"), [([0.2, 0.2], True), ([0.8, 0.8], True), ([0.1, 0.2], False)])
def test_the_borders_belong_to_the_window(scores: list[float], passes: bool) -> None:
    assert WINDOW.passes(make_group(0, list(scores))) == passes


def test_unscored_responses_do_not_count_as_wrong() -> None:
    assert make_group(0, [1.0, None, None, 0.0]).mean_score == 0.5
    kept = make_group(0, [1.0, None, 0.0, None], [1, 2, 3, 4]).scored()
    assert kept.scores == (1.0, 0.0)
    assert [len(response.token_ids) for response in kept.responses] == [1, 3]
    assert kept.texts == ("x", "xxx")
