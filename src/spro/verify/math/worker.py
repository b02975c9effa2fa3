r"""The worker that decides whether two LaTeX answers are equal, with math-verify.

Run by ``spro.verify.workers.pool`` as ``python -I -m spro.verify.math.worker``; never imported by the trainer, which
would pay for sympy and be exposed to what it does with model text.

Request: ``{"answers": [...], "unit": ..., "tolerance": ..., "answer": ..., "seconds": ...}``, the first three as in
``MathTruth``. Answer: ``{"status": ..., "detail": ...}`` with the status correct, wrong or unscored.

Each part of either side is given to math-verify alone and in a box of its own, so that it looks for nothing else.
"""

import logging
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from spro.verify.math import algebra
from spro.verify.math.latex import normal_latex
from spro.verify.math.leaf import Likeness, read_leaf, with_unit, without_heads
from spro.verify.math.likeness import are_ranges, compare_parts
from spro.verify.math.match import match
from spro.verify.math.parts import Group, read_parts
from spro.verify.math.truth import MathTruth
from spro.verify.math.units import unit_named
from spro.verify.workers.serve import is_swollen, serve


class _AlarmError(BaseException):
    """Time is up. Not an Exception: sympy swallows those."""


class _HardTruthError(Exception):
    """The ground truth, not the answer, takes too long or too much memory."""


class _UnreadableError(Exception):
    """A part of the ground truth is no mathematics, and not the answer's string either."""


def decide(request: Mapping[str, Any]) -> dict[str, Any]:
    """Compare one answer with its ground truth.

    ``seconds`` of the CPU are the time in all, kept by a signal. Half of it is for reading the ground truth.

    Raises:
        TimeoutError: the answer, not the ground truth, took too long.
        MemoryError: the answer, not the ground truth, needed too much.
    """
    truth = MathTruth(tuple(request["answers"]), request["unit"], float(request["tolerance"]))
    end = time.process_time() + float(request["seconds"])
    gold = truth.parts
    try:
        with _alarm(float(request["seconds"]) / 2):
            for part in _flat(gold):
                algebra.read(read_leaf(part).value)
    except (_AlarmError, MemoryError) as error:
        # Not an answer: a worker stopped amid its work is replaced, and a fresh one may be quicker.
        name = type(error).__name__.strip("_")
        raise _HardTruthError(f"the ground truth {_shown(truth)} takes too much to read ({name})") from None
    try:
        with _alarm(end - time.process_time()):
            is_equal = _is_right(gold, truth, request["answer"])
    except _AlarmError:
        raise TimeoutError("the comparison took too long") from None
    except _UnreadableError:
        return _unscored(truth, "cannot be read as mathematics")
    # math-verify and sympy swallow a MemoryError and go on as if the text made no sense.
    if not is_equal and is_swollen():
        raise MemoryError
    return {"status": "correct" if is_equal else "wrong", "detail": ""}


def _is_right(gold: Group, truth: MathTruth, answer: str) -> bool:
    unit = unit_named(truth.unit)
    parts = read_parts(answer, wanted=len(gold.parts))
    if match(gold, parts, lambda one, other: _are_equal(one, other, unit, truth.tolerance)):
        return True
    return are_ranges(gold, parts) and algebra.are_same_ranges(
        *(tuple(algebra.read(part) for part in group.parts) for group in (gold, parts))
    )


def _are_equal(gold: str, answer: str, unit: str, tolerance: float) -> bool:
    known, _ = compare_parts(gold, answer, unit)
    if known is Likeness.OTHER:
        return False
    gold, answer = without_heads(gold, answer)
    wanted, given = with_unit(read_leaf(gold), unit), read_leaf(answer)
    # Words and the like are settled; what math-verify can read is left to it even where the strings are alike.
    if known is Likeness.SAME and (wanted.word or wanted.choice or ":" in wanted.latex):
        return True
    value = given.latex if unit == "%" else given.value
    forms = algebra.read(wanted.value)
    if not algebra.is_algebra(forms):
        if normal_latex(wanted.value) == normal_latex(value):
            return True
        raise _UnreadableError
    return algebra.are_equal(forms, algebra.read(value), tolerance)


def _flat(group: Group) -> Iterator[str]:
    for part in group.parts:
        if isinstance(part, Group):
            yield from _flat(part)
        else:
            yield part


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise _AlarmError

    # Of the CPU's time: on a busy machine the clock would turn right answers into late ones.
    signal.signal(signal.SIGPROF, ring)
    # Again and again: the first may ring inside a function whose exceptions Python can only print.
    signal.setitimer(signal.ITIMER_PROF, max(seconds, 0.01), 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _unscored(truth: MathTruth, why: str) -> dict[str, Any]:
    return {"status": "unscored", "detail": f"the ground truth {_shown(truth)} {why}"}


def _shown(truth: MathTruth) -> str:
    return repr(", ".join(truth.answers)[:80])


def _warm_up() -> None:
    # The first reading builds tables for half a second, which would count against the first request.
    logging.disable(logging.CRITICAL)
    for gold, answer in ((r"\frac{1}{2}, x", r"x, \sqrt{0.25}"), ("x^2-4", "(x-2)(x+2)"), (r"2\sqrt{2}", r"\sqrt{8}")):
        decide({"answers": [gold], "unit": "", "tolerance": 0.0, "answer": answer, "seconds": 60.0})


if __name__ == "__main__":
    _warm_up()
    serve(decide)
