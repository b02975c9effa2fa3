"""Judge a batch of answers, each by the verifier that its task names."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from spro.errors import ConfigError, RewardError, UserError, WorkerError
from spro.verify.closing import Closing
from spro.verify.verdict import Status, Verdict, one_line
from spro.verify.verifier import (
    Answer,
    BatchVerifier,
    CheckingVerifier,
    PooledVerifier,
    PreparedVerifier,
    Verifier,
)

AnyVerifier = Verifier | BatchVerifier
CHECK_S = 1.0
"""Seconds between two looks whether the grading is to end."""
_ATTEMPTS = 2


class Grader(Closing):
    """All verifiers of one run. Close it, or use it as a context manager: it closes those that can be closed.

    Example:
        >>> with Grader({"chain": verify_chain}) as grader:
        ...     [verdict.score for verdict in grader.grade([Answer("chain", "#6", "6")])]
        [1.0]

    Args:
        verifiers: by the names that answers ask for.
        threads: answers judged at a time by verifiers that work in other processes; the others are called from the
            thread that calls ``grade``.

    Raises:
        ConfigError: no thread.
    """

    def __init__(self, verifiers: Mapping[str, AnyVerifier], threads: int = 2) -> None:
        if threads < 1:
            raise ConfigError(f"a grader with {threads} threads can do nothing; give it 1 or more")
        self._verifiers = dict(verifiers)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="spro-grader")
        self._is_closed = False

    @property
    def names(self) -> frozenset[str]:
        """Names that an answer may ask for."""
        return frozenset(self._verifiers)

    def problem_with(self, verifier: str, ground_truth: str) -> str:
        """Why nothing can be graded against a ground truth; empty when something may be."""
        if verifier not in self._verifiers:
            return f"not scored: there is no {verifier!r} verifier"
        checking = self._verifiers[verifier]
        return checking.problem_with(ground_truth) if isinstance(checking, CheckingVerifier) else ""

    def prepare(self, names: Collection[str]) -> list[str]:
        """Make the named verifiers ready; returns one line of each that found something worth telling.

        Raises:
            UserError: one needs what this machine has not; says which and the remedy.
        """
        wanted = [self._verifiers[name] for name in sorted(names)]
        return [verifier.prepare() for verifier in wanted if isinstance(verifier, PreparedVerifier)]

    def grade(self, answers: Sequence[Answer], check: Callable[[], None] = lambda: None) -> list[Verdict]:
        """One verdict for each answer, in their order.

        A verifier that raises twice gives ``unscored``: its fault is not the response's.

        Args:
            answers: of any verifiers.
            check: called every second while processes are at work; what it raises ends the grading.

        Raises:
            ConfigError: an answer asks for a verifier that there is not, and nothing has been judged then; or for one
                that this machine cannot run, see ``prepare``.
            RewardError: a verifier returned a score that is no score, or no verdict at all.
            WorkerError: the grader is closed.
        """
        if self._is_closed:
            raise WorkerError("the grader is closed")
        rows: dict[str, list[int]] = {}
        for row, answer in enumerate(answers):
            if answer.verifier not in self._verifiers:
                known = ", ".join(sorted(self._verifiers))
                raise ConfigError(f"there is no verifier named {answer.verifier!r}; there are {known}")
            rows.setdefault(answer.verifier, []).append(row)
        # Those with processes first: these are at work while the cheap ones are judged here.
        order = sorted(rows, key=lambda name: not isinstance(self._verifiers[name], PooledVerifier))
        pending: dict[int, Future[Verdict]] = {}
        verdicts: dict[int, Verdict] = {}
        try:
            for name in order:
                verifier, own = self._verifiers[name], [answers[row] for row in rows[name]]
                if isinstance(verifier, BatchVerifier):
                    verdicts |= zip(rows[name], _judge_batch(name, verifier, own), strict=True)
                elif isinstance(verifier, PooledVerifier):
                    futures = [self._threads.submit(_judge, name, verifier, answer) for answer in own]
                    pending |= zip(rows[name], futures, strict=True)
                else:
                    verdicts |= {row: _judge(name, verifier, answers[row]) for row in rows[name]}
            left = {*pending.values()}
            while left:
                check()
                left = wait(left, timeout=CHECK_S).not_done
            verdicts |= {row: future.result() for row, future in pending.items()}
        except BaseException:
            for future in pending.values():
                future.cancel()
            raise
        return [verdicts[row] for row in range(len(answers))]

    def close(self) -> None:
        """End what the verifiers hold; twice does no harm."""
        self._is_closed = True
        for verifier in self._verifiers.values():
            if isinstance(verifier, Closing | PooledVerifier):
                verifier.close()
        self._threads.shutdown(cancel_futures=True)


def _judge(name: str, verifier: Verifier, answer: Answer) -> Verdict:
    (verdict,) = _attempt(name, lambda: [verifier(answer.response, answer.ground_truth)], 1)
    return verdict


def _judge_batch(name: str, verifier: BatchVerifier, answers: Sequence[Answer]) -> list[Verdict]:
    return _attempt(name, lambda: verifier.grade(answers), len(answers))


def _attempt(name: str, judge: Callable[[], list[Verdict]], count: int) -> list[Verdict]:
    failure = ""
    for _ in range(_ATTEMPTS):
        try:
            verdicts = [_checked(verdict) for verdict in judge()]
            if len(verdicts) != count:
                raise RewardError(f"it returned {len(verdicts)} verdicts for {count} answers")
            return verdicts
        except RewardError as error:
            raise RewardError(f"verifier {name!r}: {error}") from error
        except UserError:
            raise
        except Exception as error:
            failure = one_line(f"verifier {name!r} raised {type(error).__name__}: {error}")
    return [Verdict(None, Status.UNSCORED, detail=failure)] * count


def _checked(verdict: object) -> Verdict:
    if not isinstance(verdict, Verdict):
        raise RewardError(f"it returned {verdict!r}, which is no Verdict")
    return verdict
