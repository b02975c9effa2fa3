"""Mathematical answers: is what the response boxes equal to the ground truth?"""

import math
from collections.abc import Sequence

from spro.errors import ConfigError, WorkerError
from spro.verify.closing import Closing
from spro.verify.math.boxed import MAX_ANSWER_LENGTH, MAX_BOXES, Boxes, all_boxes, extract_boxed
from spro.verify.math.cache import CacheCounts, DecidedCache
from spro.verify.math.latex import normal_latex
from spro.verify.math.leaf import Likeness
from spro.verify.math.likeness import compare_strings
from spro.verify.math.truth import MathTruth
from spro.verify.verdict import Status, Verdict, one_line
from spro.verify.workers.pool import MATH_PROGRAM, WorkerPool
from spro.verify.workers.wire import Outcome

# The workers' own alarms ring before the pool's deadline: a reply spares the kill and tells more.
_SOFT_SHARE = 0.8
_BY_THE_CLOCK = 3.0
_SCORES = {Status.CORRECT: 1.0, Status.WRONG: 0.0}


class MathVerifier(Closing):
    r"""Judges the last ``\boxed{}`` of a response by mathematical equality with the ground truth.

    Owns worker processes, started when first needed; close it, or use it as a context manager. Any thread may call it,
    and up to ``workers`` calls run at a time. What strings alone decide needs no worker (``likeness.py``), the tricks
    that a policy might learn are refused by name (``guard.py``), and what was decided once is remembered.

    Example:
        >>> with MathVerifier(workers=1) as verify:
        ...     verify(r"so it is \boxed{0.5}", r"\frac{1}{2}").status
        <Status.CORRECT: 'correct'>

    Args:
        workers: processes, at least 1; one more is kept warm in case that one must be killed.
        timeout_s: seconds of the CPU that one comparison may take; three times as many by the clock.
        memory_bytes: limit of each process's address space.
        boxes: which boxes of a response count.
        program: what the processes run, see ``WorkerPool``.
        cached: decided pairs that are remembered; 0 for none.

    Raises:
        ConfigError: no worker, or a time that is not positive.
    """

    def __init__(
        self,
        workers: int = 2,
        timeout_s: float = 10.0,
        memory_bytes: int = 2 * 2**30,
        *,
        boxes: Boxes = Boxes.LAST,
        program: Sequence[str] = MATH_PROGRAM,
        cached: int = 65_536,
    ) -> None:
        if not (math.isfinite(timeout_s) and timeout_s > 0):
            raise ConfigError(f"a timeout of {timeout_s} s is impossible; give a positive number of seconds")
        self._timeout_s = timeout_s
        self._boxes = Boxes(boxes)
        self._cache = DecidedCache(cached)
        self._pool = WorkerPool(
            workers, _BY_THE_CLOCK * timeout_s, memory_bytes, program=program, spares=1, cpu_timeout_s=timeout_s
        )

    def __call__(self, response: str, ground_truth: str) -> Verdict:
        r"""Judge one response.

        Args:
            response: the whole text; only its boxes are looked at.
            ground_truth: what ``MathTruth.read`` reads: LaTeX, bare or wrapped, or a JSON object.

        Returns:
            ``unscored`` when the ground truth cannot be read, or the worker failed for a reason that is not the
            answer's; the detail names it.
        """
        return self.judge(response, ground_truth, self._boxes)

    def judge(self, response: str, ground_truth: str, boxes: Boxes) -> Verdict:
        """Judge one response by a rule of its own for the boxes; else as by a call.

        Raises:
            TypeError: the response or the ground truth is no text.
        """
        for what, given in (("response", response), ("ground truth", ground_truth)):
            if not isinstance(given, str):
                raise TypeError(f"the {what} is a {type(given).__name__}; give text")
        try:
            truth = MathTruth.read(ground_truth)
        except ValueError as error:
            return Verdict(None, Status.UNSCORED, detail=one_line(str(error)))
        answer = extract_boxed(response)
        if answer is None:
            return Verdict(0.0, Status.NO_ANSWER, detail=_why_none(response))
        verdict = self._judge_answer(answer, truth)
        if boxes is Boxes.LAST or verdict.status is not Status.CORRECT:
            return verdict
        return self._judge_others(response, truth, verdict)

    def problem_with(self, ground_truth: str) -> str:
        """Why nothing can be graded against a ground truth; empty when something may be. Cheap: needs no worker."""
        try:
            MathTruth.read(ground_truth)
        except ValueError as error:
            return one_line(str(error))
        return ""

    @property
    def cache_counts(self) -> CacheCounts:
        """How often the cache knew the answer."""
        return self._cache.counts

    @property
    def pids(self) -> list[int]:
        """Numbers of the worker processes that are up now, the spare one too."""
        return self._pool.pids + self._pool.spare_pids

    def close(self) -> None:
        """End the worker processes."""
        self._pool.close()

    def _judge_others(self, response: str, truth: MathTruth, verdict: Verdict) -> Verdict:
        found = all_boxes(response)
        if len(found) > MAX_BOXES or None in found:
            return Verdict(0.0, Status.WRONG, extracted=verdict.extracted, detail="its boxes cannot all be read")
        others = {normal_latex(content): content for content in found if content is not None}
        for content in others.values():
            other = self._judge_answer(content, truth)
            if other.status is not Status.CORRECT:
                detail = one_line(f"its boxes differ: {content!r} is not right")
                score = None if other.status is Status.UNSCORED else 0.0
                return Verdict(score, other.status, extracted=verdict.extracted, detail=other.detail or detail)
        return verdict

    def _judge_answer(self, answer: str, truth: MathTruth) -> Verdict:
        likeness, reason = compare_strings(truth, answer)
        if likeness is not Likeness.UNDECIDED:
            status = Status.CORRECT if likeness is Likeness.SAME else Status.WRONG
            return Verdict(_SCORES[status], status, extracted=answer, detail=one_line(reason))
        known = self._cache.get(truth.text, answer)
        if known is not None:
            return Verdict(_SCORES[known], known, extracted=answer)
        verdict = self._compare(answer, truth)
        if verdict.status in _SCORES:
            self._cache.put(truth.text, answer, verdict.status)
        return verdict

    def _compare(self, answer: str, truth: MathTruth) -> Verdict:
        request = {
            "answers": truth.answers,
            "unit": truth.unit,
            "tolerance": truth.tolerance,
            "answer": answer,
            "seconds": self._timeout_s * _SOFT_SHARE,
        }
        try:
            reply = self._pool.ask(request)
        except WorkerError as error:
            return Verdict(None, Status.UNSCORED, extracted=answer, detail=one_line(str(error)))
        if reply.outcome is Outcome.TIMEOUT:
            return Verdict(0.0, Status.TIMEOUT, extracted=answer, detail=f"undecided after {self._timeout_s:g} s")
        if reply.outcome is Outcome.MEMORY:
            return Verdict(0.0, Status.MEMORY, extracted=answer)
        status = Status(reply.body["status"])
        return Verdict(_SCORES.get(status), status, extracted=answer, detail=one_line(reply.body["detail"]))


def _why_none(response: str) -> str:
    if not all_boxes(response):
        return "it has no box"
    return f"its last box is unclosed, empty, or longer than {MAX_ANSWER_LENGTH} characters"
