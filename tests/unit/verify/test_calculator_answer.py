import pytest

from spro.verify import Status
from spro.verify.calculator import verify_calculator


@pytest.mark.parametrize("response", ["37+85=22;22*4=88;#88", "#88", ";#88", "#8;#88", "anything # at all;#88"])
def test_correct(response):
    verdict = verify_calculator(response, "88")
    assert (verdict.score, verdict.status, verdict.extracted) == (1.0, Status.CORRECT, "88")


def test_zero_is_a_number():
    assert verify_calculator("7-7=0;#0", "0").status is Status.CORRECT


@pytest.mark.parametrize("response", ["37+85=22;#22", "#0", "#88;#8"])
def test_wrong(response):
    verdict = verify_calculator(response, "88")
    assert (verdict.score, verdict.status) == (0.0, Status.WRONG)
    assert verdict.extracted == response.rpartition("#")[2]


@pytest.mark.parametrize(
    "response",
    [
        "",
        "88",
        "37+85=22;22*4=88;",
        "#",
        "#088",
        "#888",
        "#88;",
        "#88 ",
        "#88\n",
        " #88",
        "##88",
        "8#88",
        "#\u0668\u0668",
    ],
)
def test_no_answer(response):
    verdict = verify_calculator(response, "88")
    assert (verdict.score, verdict.status) == (0.0, Status.NO_ANSWER)


@pytest.mark.parametrize("ground_truth", ["", "100", "08", "#8", "x", "-1", "8\n"])
def test_bad_ground_truth_is_unscored(ground_truth):
    verdict = verify_calculator("#8", ground_truth)
    assert (verdict.score, verdict.status) == (None, Status.UNSCORED)
    assert "no number below 100" in verdict.detail
