"""One mathematical verifier for callers that want a function and no object to close."""

import atexit
import os
import threading

from spro.verify.math.boxed import Boxes
from spro.verify.math.verifier import MathVerifier
from spro.verify.verdict import Verdict


class _Shared:
    """The verifier of this process, started when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verifier: MathVerifier | None = None
        # What a parent process owns is left alone: to close or collect it here would end the parent's workers.
        self._inherited: list[MathVerifier] = []

    def get(self) -> MathVerifier:
        with self._lock:
            if self._verifier is None:
                self._verifier = MathVerifier()
            return self._verifier

    def close(self) -> None:
        with self._lock:
            verifier, self._verifier = self._verifier, None
        if verifier is not None:
            verifier.close()

    def begin_anew(self) -> None:
        # The lock may have been held by a thread that does not exist in this process.
        self._lock = threading.Lock()
        if self._verifier is not None:
            self._inherited.append(self._verifier)
            self._verifier = None


_SHARED = _Shared()
atexit.register(_SHARED.close)
os.register_at_fork(after_in_child=_SHARED.begin_anew)


def verify_math(response: str, ground_truth: str, *, boxes: str = "last") -> Verdict:
    r"""Judge the boxed answer of one response; see ``MathVerifier``.

    All callers share two worker processes, which start with the first call that needs one and end with this process.
    Any thread may call it; a process forked from this one gets workers of its own.

    Example:
        >>> verify_math(r"so it is \boxed{0.5}", r"\frac{1}{2}").score
        1.0

    Args:
        response: the whole text.
        ground_truth: LaTeX, bare or wrapped, or a JSON object; see ``MathTruth.read``.
        boxes: ``last`` or ``all_equal``, see ``Boxes``.

    Raises:
        ValueError: there is no such rule for boxes.
    """
    return _SHARED.get().judge(response, ground_truth, Boxes(boxes))
