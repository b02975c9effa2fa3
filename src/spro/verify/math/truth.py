r"""The ground truth of a mathematical problem, as data sets give it."""

import json
import math
from dataclasses import dataclass
from typing import Any, Self

from spro.verify.math.latex import bare_latex, plain_latex
from spro.verify.math.parts import Group, Kind, read_parts

MAX_TRUTH_LENGTH = 4096
"""Characters; a longer one is a solution and not an answer."""

_FIELDS = {"answers", "unit", "tolerance"}


@dataclass(frozen=True, slots=True)
class MathTruth:
    r"""The answers that a response must give, all of them and no other.

    Example:
        >>> MathTruth.read("$69$,$84$").answers
        ('$69$,$84$',)
        >>> MathTruth.read('{"answers": ["4.2"], "unit": "%", "tolerance": "1e-1"}').tolerance
        0.1

    Attributes:
        answers: LaTeX, in any order; one text may hold several with commas between them.
        unit: in which they are given, such as ``km`` or ``%``; a response may leave it out, and may not name another.
        tolerance: largest absolute difference of a number that is still right; 0 for exactness.

    Raises:
        ValueError: no answer, an empty or overlong one, or a tolerance that is negative or not finite.
    """

    answers: tuple[str, ...]
    unit: str = ""
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if not self.answers or not all(plain_latex(answer) for answer in self.answers):
            raise ValueError("the ground truth is empty")
        if sum(map(len, self.answers)) > MAX_TRUTH_LENGTH:
            raise ValueError(f"the ground truth is longer than {MAX_TRUTH_LENGTH} characters")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(f"the ground truth's tolerance of {self.tolerance} is impossible; give 0 or more")

    @classmethod
    def read(cls, ground_truth: str) -> Self:
        """Read what a problem gives as its ground truth.

        Args:
            ground_truth: LaTeX, bare or in dollars or a box; a solution that ends in ``#### 18``, as GSM8K's; or the
                text of a JSON object with the fields ``answers`` (a list of LaTeX), ``unit`` and ``tolerance``.

        Raises:
            ValueError: it says nothing, is too long, or is a JSON object with a fault; the message is one line.
        """
        if len(ground_truth) > 16 * MAX_TRUTH_LENGTH:
            raise ValueError(f"the ground truth is longer than {MAX_TRUTH_LENGTH} characters")
        text = ground_truth.strip()
        # No LaTeX begins with {" and nothing else does either.
        if text.startswith("{") and text[1:].lstrip().startswith('"'):
            return cls._read_object(text)
        _, mark, final = text.rpartition("####")
        return cls((bare_latex(final if mark else text),))

    @property
    def text(self) -> str:
        """What ``read`` reads back."""
        fields = {"answers": list(self.answers), "unit": self.unit, "tolerance": self.tolerance}
        return json.dumps(fields, ensure_ascii=False)

    @property
    def parts(self) -> Group:
        """All answers as one group."""
        groups = [read_parts(answer) for answer in self.answers]
        if len(groups) == 1:
            return groups[0]
        parts = [part for group in groups for part in (group.parts if group.kind is Kind.LIST else (group,))]
        return Group(Kind.LIST, tuple(parts), "", ", ".join(group.latex for group in groups))

    @classmethod
    def _read_object(cls, text: str) -> Self:
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the ground truth is a malformed JSON object: {error}") from None
        if unknown := sorted(fields.keys() - _FIELDS):
            known = ", ".join(sorted(_FIELDS))
            raise ValueError(f"the ground truth has the unknown field {unknown[0][:80]!r}; there are {known}")
        answers = fields.get("answers")
        if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
            raise ValueError("the ground truth's answers are no list of texts")
        unit = fields.get("unit")
        if not isinstance(unit, str | None):
            raise ValueError("the ground truth's unit is no text")
        return cls(tuple(answers), unit or "", _tolerance(fields.get("tolerance")))


def _tolerance(value: Any) -> float:
    if value is None:
        return 0.0
    try:
        # True is a number to Python.
        return float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"the ground truth's tolerance {str(value)[:80]!r} is no number") from None
