"""Mathematical answers: is what the response boxes equal to the ground truth?"""

from collections.abc import Sequence

from spro.errors import WorkerError
from spro.verify.boxed import extract_boxed
from spro.verify.closing import Closing
from spro.verify.latex import bare_latex, normal_latex
from spro.verify.pool import MATH_PROGRAM, WorkerPool
from spro.verify.verdict import Status, Verdict, one_line
from spro.verify.wire import Outcome

# The workers' own alarms ring before the pool's deadline: a reply spares the kill and tells more.
_SOFT_SHARE = 0.8


class MathVerifier(Closing):
    r"""Judges the last ``\boxed{}`` of a response by mathematical equality with the ground truth.

    Owns worker processes, started when first needed; close it, or use it as a context manager. Any thread may call it,
    and up to ``workers`` calls run at a time.

    What it does not guard against, since math-verify 0.9 takes it for equal: a box that restates the question
    (``\sum_{k=1}^{100} k`` for 5050), a chain that ends right (``9=1`` for 1), ``9\%`` for 9, a repeated answer
    (``5,5`` for 5). A policy can learn to exploit the first two.

    Example:
        >>> with MathVerifier(workers=1) as verify:
        ...     verify(r"so it is \boxed{0.5}", r"\frac{1}{2}").status
        <Status.CORRECT: 'correct'>

    Args:
        workers: processes, at least 1.
        timeout_s: seconds that one comparison may take.
        memory_bytes: limit of each process's address space.
        program: what the processes run, see ``WorkerPool``.

    Raises:
        ConfigError: no worker, or a time that is not positive.
    """

    def __init__(
        self,
        workers: int = 2,
        timeout_s: float = 10.0,
        memory_bytes: int = 2 * 2**30,
        *,
        program: Sequence[str] = MATH_PROGRAM,
    ) -> None:
        self._timeout_s = timeout_s
        self._pool = WorkerPool(workers, timeout_s, memory_bytes, program=program)

    def __call__(self, response: str, ground_truth: str) -> Verdict:
        r"""Judge one response.

        Args:
            response: the whole text; only its last box is looked at.
            ground_truth: LaTeX, bare or wrapped in dollars or a box.

        Returns:
            ``unscored`` when the ground truth cannot be read, or the worker failed for a reason that is not the
            answer's; the detail names it.
        """
        gold = bare_latex(ground_truth)
        if not gold:
            return Verdict(None, Status.UNSCORED, detail="the ground truth is empty")
        answer = extract_boxed(response)
        if answer is None:
            return Verdict(0.0, Status.NO_ANSWER)
        if normal_latex(answer) == normal_latex(gold):
            return Verdict(1.0, Status.CORRECT, extracted=answer)
        return self._compare(answer, gold)

    def close(self) -> None:
        """End the worker processes."""
        self._pool.close()

    def _compare(self, answer: str, gold: str) -> Verdict:
        seconds = self._timeout_s * _SOFT_SHARE
        try:
            reply = self._pool.ask({"gold": gold, "answer": bare_latex(answer), "seconds": seconds})
        except WorkerError as error:
            return Verdict(None, Status.UNSCORED, extracted=answer, detail=one_line(str(error)))
        if reply.outcome is Outcome.TIMEOUT:
            return Verdict(0.0, Status.TIMEOUT, extracted=answer, detail=f"undecided after {self._timeout_s:g} s")
        if reply.outcome is Outcome.MEMORY:
            return Verdict(0.0, Status.MEMORY, extracted=answer)
        status = Status(reply.body["status"])
        score = {Status.CORRECT: 1.0, Status.WRONG: 0.0}.get(status)
        return Verdict(score, status, extracted=answer, detail=one_line(reply.body["detail"]))
