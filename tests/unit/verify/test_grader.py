import threading

import pytest

from spro.errors import ConfigError, RewardError, WorkerError
from spro.verify import Answer, Closing, Grader, MathVerifier, Status, Verdict, verify_chain
from spro.verify.verifier import PooledVerifier

pytestmark = pytest.mark.usefixtures("no_orphans")


def length(response, ground_truth):
    return Verdict(1.0, Status.CORRECT) if len(response) == int(ground_truth) else Verdict(0.0, Status.WRONG)


def test_names():
    with Grader({"chain": verify_chain, "length": length}) as grader:
        assert grader.names == {"chain", "length"}


def test_mixed_batch_keeps_its_order():
    rows = []
    for n in range(12):
        rows += [
            (Answer("math", rf"\boxed{{{n}/2}}", rf"\frac{{{n}}}{{2}}"), Status.CORRECT),
            (Answer("chain", f"#{n % 10}", "3"), Status.CORRECT if n % 10 == 3 else Status.WRONG),
            (Answer("math", rf"\boxed{{{n}+1}}", f"{n}"), Status.WRONG),
            (Answer("length", "x" * n, "4"), Status.CORRECT if n == 4 else Status.WRONG),
            (Answer("math", "none", "1"), Status.NO_ANSWER),
        ]
    verifiers = {"math": MathVerifier(), "chain": verify_chain, "length": length}
    with Grader(verifiers) as grader:
        verdicts = grader.grade([answer for answer, _ in rows])
        assert grader.grade([]) == []
    assert [verdict.status for verdict in verdicts] == [status for _, status in rows]


def test_an_extra_verifier_runs_in_the_callers_thread():
    threads = []

    def spy(response, ground_truth):
        threads.append(threading.current_thread())
        return Verdict(1.0, Status.CORRECT)

    with Grader({"spy": spy}) as grader:
        grader.grade([Answer("spy", "", "")] * 3)
    assert set(threads) == {threading.current_thread()}


def test_a_raising_verifier_is_unscored():
    with Grader({"length": length}) as grader:
        bad, good = grader.grade([Answer("length", "xx", "two"), Answer("length", "xx", "2")])
    assert (bad.score, bad.status) == (None, Status.UNSCORED)
    assert "'length' raised ValueError" in bad.detail
    assert "\n" not in bad.detail
    assert good.score == 1.0


@pytest.mark.parametrize(
    ("verifier", "message"),
    [
        (lambda response, truth: Verdict(float("nan"), Status.WRONG), "'mine'.*nan"),
        (lambda response, truth: Verdict(1.5, Status.CORRECT), r"'mine'.*1\.5"),
        (lambda response, truth: 0.5, r"'mine': it returned 0\.5"),
    ],
)
def test_a_score_that_is_none_is_the_users_error(verifier, message):
    with Grader({"mine": verifier}) as grader, pytest.raises(RewardError, match=message):
        grader.grade([Answer("mine", "", "")])


def test_control_c_passes():
    def interrupted(response, ground_truth):
        raise KeyboardInterrupt

    with Grader({"mine": interrupted}) as grader, pytest.raises(KeyboardInterrupt):
        grader.grade([Answer("mine", "", "")])


def test_unknown_verifier():
    with (
        Grader({"length": length, "chain": verify_chain}) as grader,
        pytest.raises(ConfigError, match="no verifier named 'chains'; there are chain, length"),
    ):
        grader.grade([Answer("chains", "", "")])


def test_impossible_settings():
    with pytest.raises(ConfigError, match="0 threads"):
        Grader({}, threads=0)


def test_closed():
    grader = Grader({"chain": verify_chain})
    grader.close()
    grader.close()
    with pytest.raises(WorkerError, match="closed"):
        grader.grade([Answer("chain", "#1", "1")])


class Watched(Closing):
    closed = 0

    def __call__(self, response, ground_truth):
        return Verdict(1.0, Status.CORRECT)

    def close(self):
        self.closed += 1


def test_what_can_be_closed_is_closed():
    watched = Watched()
    assert isinstance(watched, PooledVerifier)
    with Grader({"mine": watched}) as grader:
        assert grader.grade([Answer("mine", "", "")])[0].score == 1.0
    assert watched.closed == 1


def test_a_failure_is_retried_once():
    calls = []

    def flaky(response, ground_truth):
        calls.append(response)
        if len(calls) == 1:
            raise OSError("a moment")
        return Verdict(1.0, Status.CORRECT)

    with Grader({"flaky": flaky}) as grader:
        assert grader.grade([Answer("flaky", "x", "")])[0].status is Status.CORRECT
    assert calls == ["x", "x"]


class Batch:
    """Half a point for whoever answers a prompt of one message, in one call for all."""

    def __init__(self):
        self.calls = []

    def grade(self, answers):
        self.calls.append(len(answers))
        return [Verdict(len(answer.prompt) / 2, Status.PARTIAL) for answer in answers]


def test_a_verifier_of_batches_sees_all_of_its_answers_at_once():
    batch = Batch()
    one = Answer("batch", "a", "", prompt=({"role": "user", "content": "?"},))
    with Grader({"batch": batch, "chain": verify_chain}) as grader:
        verdicts = grader.grade([one, Answer("chain", "#1", "1"), one])
    assert [verdict.score for verdict in verdicts] == [0.5, 1.0, 0.5]
    assert batch.calls == [2]


@pytest.mark.parametrize(
    ("verdicts", "message"), [([], "'batch': it returned 0 verdicts for 1"), ([1.0], "1.0, which")]
)
def test_a_batch_of_another_size_or_kind_is_the_users_error(verdicts, message):
    class Short:
        def grade(self, answers):
            return verdicts

    with Grader({"batch": Short()}) as grader, pytest.raises(RewardError, match=message):
        grader.grade([Answer("batch", "", "")])


def test_what_a_verifier_knows_beforehand():
    class Picky(Watched):
        def problem_with(self, ground_truth):
            return "" if ground_truth else "it is empty"

        def prepare(self):
            return "picky is ready"

    with Grader({"picky": Picky(), "chain": verify_chain}) as grader:
        assert grader.problem_with("picky", "") == "it is empty"
        assert grader.problem_with("picky", "1") == grader.problem_with("chain", "") == ""
        assert grader.problem_with("other", "1") == "not scored: there is no 'other' verifier"
        assert grader.prepare({"chain", "picky"}) == ["picky is ready"]
