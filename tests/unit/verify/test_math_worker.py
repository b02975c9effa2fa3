import pytest

from spro.verify.math_worker import decide

# In this process and its main thread, where the alarms work as they do in the worker.


def ask(gold, answer, seconds=20.0):
    return decide({"gold": gold, "answer": answer, "seconds": seconds})


def test_decides():
    assert ask(r"\frac12", "0.5") == {"status": "correct", "detail": ""}
    assert ask(r"\frac12", "0.6") == {"status": "wrong", "detail": ""}


def test_gold_comes_first():
    # Not symmetric: an interval answers a gold inequality, and not the other way round.
    assert ask("1<x<2", "(1,2)")["status"] == "correct"
    assert ask("(1,2)", "1<x<2")["status"] == "wrong"


@pytest.mark.parametrize(
    "answer", ["", "\\", "}{", "$", "$1$", "\\frac{", "\\begin{pmatrix}", "\0", "\ud800", "(" * 40]
)
def test_malformed_answers_are_wrong(answer):
    assert ask("5", answer)["status"] == "wrong"


@pytest.mark.parametrize("gold", ["t(0,4]", r"\sin^2 t", "}{"])
def test_unreadable_gold_is_unscored(gold):
    reply = ask(gold, "5")
    assert reply["status"] == "unscored"
    assert repr(gold) in reply["detail"]


def test_hanging_gold_is_not_the_answers_fault():
    reply = ask(r"\binom{1000000000}{500000000}", "5", seconds=2.5)
    assert reply["status"] == "unscored"
    assert "takes too much to read" in reply["detail"]


def test_hanging_answer_is_a_timeout():
    with pytest.raises(TimeoutError):
        ask("5", r"\binom{1000000000}{500000000}", seconds=3.0)
