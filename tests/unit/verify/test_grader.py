import threading

import pytest

from spro.errors import ConfigError, RewardError, WorkerError
from spro.verify import VERIFIERS, Answer, Grader, Status, Verdict
from spro.verify.verifier import PooledVerifier

pytestmark = pytest.mark.usefixtures("no_orphans")


def length(response, ground_truth):
    return Verdict(1.0, Status.CORRECT) if len(response) == int(ground_truth) else Verdict(0.0, Status.WRONG)


def test_names():
    with Grader() as grader:
        assert grader.names == {"math", "chain"} == VERIFIERS.keys()
    with Grader(extra={"length": length}) as grader:
        assert grader.names == {"math", "chain", "length"}


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
    with Grader(workers=2, extra={"length": length}) as grader:
        verdicts = grader.grade([answer for answer, _ in rows])
        assert grader.grade([]) == []
    assert [verdict.status for verdict in verdicts] == [status for _, status in rows]


def test_an_extra_verifier_runs_in_the_callers_thread():
    threads = []

    def spy(response, ground_truth):
        threads.append(threading.current_thread())
        return Verdict(1.0, Status.CORRECT)

    with Grader(extra={"spy": spy}) as grader:
        grader.grade([Answer("spy", "", "")] * 3)
    assert set(threads) == {threading.current_thread()}


def test_a_raising_verifier_is_unscored():
    with Grader(extra={"length": length}) as grader:
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
        (lambda response, truth: 0.5, r"'mine' returned 0\.5"),
    ],
)
def test_a_score_that_is_none_is_the_users_error(verifier, message):
    with Grader(extra={"mine": verifier}) as grader, pytest.raises(RewardError, match=message):
        grader.grade([Answer("math", r"\boxed{1}", "1"), Answer("mine", "", "")])


def test_control_c_passes():
    def interrupted(response, ground_truth):
        raise KeyboardInterrupt

    with Grader(extra={"mine": interrupted}) as grader, pytest.raises(KeyboardInterrupt):
        grader.grade([Answer("mine", "", "")])


def test_unknown_verifier():
    with Grader() as grader, pytest.raises(ConfigError, match="no verifier named 'maths'; there are chain, math"):
        grader.grade([Answer("maths", "", "")])


def test_a_name_that_is_taken():
    with pytest.raises(ConfigError, match="'math' comes with spro"):
        Grader(extra={"math": length})


@pytest.mark.parametrize("settings", [{"workers": 0}, {"timeout_s": 0.0}])
def test_impossible_settings(settings):
    with pytest.raises(ConfigError):
        Grader(**settings)


def test_closed():
    grader = Grader()
    grader.close()
    grader.close()
    with pytest.raises(WorkerError, match="closed"):
        grader.grade([Answer("chain", "#1", "1")])


def test_an_extra_verifier_is_not_closed_for_its_owner():
    class Pooled:
        closed = False

        def __call__(self, response, ground_truth):
            return Verdict(1.0, Status.CORRECT)

        def close(self):
            self.closed = True

    mine = Pooled()
    assert isinstance(mine, PooledVerifier)
    with Grader(extra={"mine": mine}) as grader:
        assert grader.grade([Answer("mine", "", "")])[0].score == 1.0
    assert not mine.closed
