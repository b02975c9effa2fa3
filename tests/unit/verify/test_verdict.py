import pytest

from spro.errors import RewardError
from spro.verify import Status, Verdict
from spro.verify.verdict import one_line


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_score_lies_in_the_unit_interval(score):
    with pytest.raises(RewardError, match="returned the score"):
        Verdict(score, Status.PARTIAL)


@pytest.mark.parametrize(("score", "status"), [(None, Status.WRONG), (0.0, Status.UNSCORED)])
def test_no_score_means_unscored(score, status):
    with pytest.raises(RewardError, match="cannot have the score"):
        Verdict(score, status)


def test_one_line():
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("x" * 300, limit=10) == "xxxxxxx..."


def test_nothing_in_a_line_acts():
    """A reward function may raise with a model's text in its message, and that goes to a terminal."""
    assert one_line("a\x1b[31m\u202eb\x00\x9bc") == "a⟨U+001B⟩[31m⟨U+202E⟩b⟨U+0000⟩⟨U+009B⟩c"
    assert one_line("größer als 3 µm ✓") == "größer als 3 µm ✓"
