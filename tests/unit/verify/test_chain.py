import pytest

from spro.verify import Status, verify_chain


@pytest.mark.parametrize("response", ["8*2;6;#6", "#6", ";#6", "#5;#6", "anything # at all;#6", "\n;#6"])
def test_correct(response):
    verdict = verify_chain(response, "6")
    assert (verdict.score, verdict.status, verdict.extracted) == (1.0, Status.CORRECT, "6")


@pytest.mark.parametrize("response", ["8*2;6;#5", "#0", "#6;#7"])
def test_wrong(response):
    verdict = verify_chain(response, "6")
    assert (verdict.score, verdict.status) == (0.0, Status.WRONG)
    assert verdict.extracted == response[-1]


@pytest.mark.parametrize(
    "response",
    [
        "",
        "6",
        "8*2;6",
        "#",
        "#66",
        "#6;",
        "#6 ",
        "#6\n",
        " #6",
        "##6",
        "8*2#6",
        "#6;6",
        "#x",
        "#\u0666",
        "#\u00b2",
        "#-6",
    ],
)
def test_no_answer(response):
    verdict = verify_chain(response, "6")
    assert (verdict.score, verdict.status) == (0.0, Status.NO_ANSWER)


@pytest.mark.parametrize("ground_truth", ["", "66", "#6", "x", "\u0666", "6\n"])
def test_bad_ground_truth_is_unscored(ground_truth):
    verdict = verify_chain("#6", ground_truth)
    assert (verdict.score, verdict.status) == (None, Status.UNSCORED)
    assert "one digit" in verdict.detail
