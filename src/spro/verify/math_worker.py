r"""The worker that decides whether two LaTeX answers are equal, with math-verify.

Run by ``spro.verify.pool`` as ``python -I -m spro.verify.math_worker``; never imported by the trainer, which would pay
for sympy and be exposed to what it does with model text.

Request: ``{"gold": ..., "answer": ..., "seconds": ...}``, both bare LaTeX. Answer: ``{"status": ..., "detail": ...}``
with the status correct, wrong or unscored.

Both texts are given to math-verify in a box of their own, so that it looks for nothing else. Of 2,675 golds of
MATH-500, OlympiadBench and MATH's training set, all but 7 can be read that way, and the 7 in no other way that
gives their meaning.
"""

import time
from collections.abc import Mapping
from typing import Any

from math_verify import LatexExtractionConfig, parse, verify
from math_verify.errors import TimeoutException

from spro.verify.serve import is_swollen, serve

_CONFIG = (LatexExtractionConfig(boxed_match_priority=0, try_extract_without_anchor=False),)


def decide(request: Mapping[str, Any]) -> dict[str, Any]:
    """Compare one answer with its gold.

    ``seconds`` is the time in all, kept by alarm signals in whole seconds. Each of the two readings may use half of
    what is left of it; below one second there is no alarm and only the pool's deadline holds.

    Raises:
        TimeoutError: the answer, not the gold, took too long.
        MemoryError: the answer, not the gold, needed too much.
    """
    end = time.monotonic() + float(request["seconds"])
    try:
        gold = _read(request["gold"], (end - time.monotonic()) / 2)
    except (TimeoutException, MemoryError) as error:
        return _unscored(request["gold"], f"takes too much to read ({type(error).__name__})")
    if not any(not isinstance(form, str) for form in gold):
        return _unscored(request["gold"], "cannot be read as mathematics")
    try:
        answer = _read(request["answer"], (end - time.monotonic()) / 2)
        # Plain strings first: they cost nothing and may spare the algebra.
        pairs = [(g, a) for g in reversed(gold) for a in reversed(answer) if isinstance(g, str) == isinstance(a, str)]
        is_equal = any(_are_equal(g, a, end - time.monotonic()) for g, a in pairs)
    except TimeoutException:
        raise TimeoutError("the comparison took too long") from None
    # math-verify and sympy swallow a MemoryError and go on as if the text made no sense.
    if not is_equal and is_swollen():
        raise MemoryError
    return {"status": "correct" if is_equal else "wrong", "detail": ""}


def _read(latex: str, seconds: float) -> list[Any]:
    # The algebra, where it could be read, and then math-verify's cleaned string.
    try:
        forms: list[Any] = parse(
            f"\\boxed{{{latex}}}",
            _CONFIG,
            extraction_mode="first_match",
            parsing_timeout=int(seconds),
            raise_on_error=True,
        )
    except MemoryError:
        raise
    except Exception:
        return []
    return forms


def _are_equal(gold: Any, answer: Any, seconds: float) -> bool:
    try:
        # Gold first: math-verify's comparison is not symmetric.
        return bool(verify(gold, answer, timeout_seconds=int(seconds), raise_on_error=True))
    except MemoryError:
        raise
    except Exception:
        # sympy gives up in countless ways on what is no sensible mathematics; such a pair is not shown to be equal.
        return False


def _unscored(gold: str, why: str) -> dict[str, Any]:
    return {"status": "unscored", "detail": f"the ground truth {gold[:80]!r} {why}"}


if __name__ == "__main__":
    serve(decide)
