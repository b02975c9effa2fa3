"""Judge a batch of answers, each by the verifier that its task names."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from spro.errors import ConfigError, RewardError, WorkerError
from spro.verify.chain import verify_chain
from spro.verify.closing import Closing
from spro.verify.math import MathVerifier
from spro.verify.verdict import Status, Verdict, one_line
from spro.verify.verifier import PooledVerifier, Verifier

VERIFIERS: Mapping[str, Callable[[int, float], Verifier]] = {
    "math": MathVerifier,
    "chain": lambda workers, timeout_s: verify_chain,
}
"""Name in the configuration -> what makes the verifier, given the number of workers and the timeout in seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response that wants a verdict.

    Attributes:
        verifier: name of the verifier that the task asks for.
        response: what the policy wrote.
        ground_truth: what the task gives as the right answer, in that verifier's form.
    """

    verifier: str
    response: str
    ground_truth: str


class Grader(Closing):
    """All verifiers of one run, with the worker processes behind them. Close it, or use it as a context manager.

    Example:
        >>> with Grader() as grader:
        ...     [verdict.score for verdict in grader.grade([Answer("chain", "#6", "6")])]
        [1.0]

    Args:
        workers: processes for each verifier that needs some, at least 1; they start when first needed.
        timeout_s: seconds that judging one answer may take in such a process.
        extra: further verifiers by name; the caller's own, called from the thread that calls ``grade``.

    Raises:
        ConfigError: no worker, a timeout that is not positive, or a further verifier under a name that is taken.
    """

    def __init__(self, workers: int = 2, timeout_s: float = 10.0, extra: Mapping[str, Verifier] | None = None) -> None:
        extra = {} if extra is None else extra
        if taken := sorted(VERIFIERS.keys() & extra.keys()):
            raise ConfigError(f"a verifier named {taken[0]!r} comes with spro; give yours another name")
        self._own = {name: make(workers, timeout_s) for name, make in VERIFIERS.items()}
        self._verifiers: dict[str, Verifier] = {**self._own, **extra}
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="spro-grader")
        self._is_closed = False

    @property
    def names(self) -> frozenset[str]:
        """Names that an answer may ask for."""
        return frozenset(self._verifiers)

    def grade(self, answers: Sequence[Answer]) -> list[Verdict]:
        """One verdict for each answer, in their order.

        A verifier that raises gives ``unscored``: its fault is not the response's.

        Raises:
            ConfigError: an answer asks for a verifier that there is not; nothing has been judged then.
            RewardError: a verifier returned a score that is no score, or no verdict at all.
            WorkerError: the grader is closed.
        """
        if self._is_closed:
            raise WorkerError("the grader is closed")
        for answer in answers:
            if answer.verifier not in self._verifiers:
                known = ", ".join(sorted(self._verifiers))
                raise ConfigError(f"there is no verifier named {answer.verifier!r}; there are {known}")
        is_pooled = [isinstance(self._own.get(answer.verifier), PooledVerifier) for answer in answers]
        futures = {
            row: self._threads.submit(self._judge, answer) for row, answer in enumerate(answers) if is_pooled[row]
        }
        try:
            # The cheap ones here, while the processes are at work.
            inline = {row: self._judge(answer) for row, answer in enumerate(answers) if not is_pooled[row]}
            return [inline[row] if row in inline else futures[row].result() for row in range(len(answers))]
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise

    def close(self) -> None:
        """End the worker processes; twice does no harm."""
        self._is_closed = True
        for verifier in self._own.values():
            if isinstance(verifier, PooledVerifier):
                verifier.close()
        self._threads.shutdown(cancel_futures=True)

    def _judge(self, answer: Answer) -> Verdict:
        try:
            verdict = self._verifiers[answer.verifier](answer.response, answer.ground_truth)
        except RewardError as error:
            raise RewardError(f"verifier {answer.verifier!r}: {error}") from error
        except Exception as error:
            detail = one_line(f"verifier {answer.verifier!r} raised {type(error).__name__}: {error}")
            return Verdict(None, Status.UNSCORED, detail=detail)
        if not isinstance(verdict, Verdict):
            raise RewardError(f"verifier {answer.verifier!r} returned {verdict!r}, which is no Verdict")
        return verdict
