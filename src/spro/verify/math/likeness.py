"""What the strings of a ground truth and of an answer tell, without computer algebra."""

import re

from spro.verify.math.latex import normal_latex
from spro.verify.math.leaf import Likeness, likeness, read_leaf, with_unit, without_heads
from spro.verify.math.match import MAX_UNLIKE, match
from spro.verify.math.parts import Group, read_parts
from spro.verify.math.truth import MathTruth
from spro.verify.math.units import unit_named

MAX_DEPTH = 50
"""Brackets within brackets that are read; math-verify takes for them time that grows with the square."""

_INEQUALITY = re.compile(r"[<>]|\\(?:le|ge|lt|gt)(?![A-Za-z])")


def compare_parts(gold: str, answer: str, unit: str) -> tuple[Likeness, str]:
    """Compare two parts.

    Args:
        gold: plain LaTeX of one part of the ground truth.
        answer: plain LaTeX of one part of the answer.
        unit: of the whole ground truth, see ``units.unit_named``.

    Returns:
        What is known, and why where the answer is refused for how it is written.
    """
    gold, answer = without_heads(gold, answer)
    return likeness(with_unit(read_leaf(gold), unit), read_leaf(answer))


def compare_strings(truth: MathTruth, answer: str) -> tuple[Likeness, str]:
    """Compare a whole answer.

    Returns:
        ``same`` and ``other`` are final; the reason is for the verdict's detail and may be empty.
    """
    if _depth(answer) > max(MAX_DEPTH, *map(_depth, truth.answers)):
        return Likeness.OTHER, "its brackets are nested too deep"
    gold = truth.parts
    parts = read_parts(answer, wanted=len(gold.parts))
    if len(truth.answers) == 1 and normal_latex(answer) == normal_latex(truth.answers[0]):
        return Likeness.SAME, ""
    if max(len(gold.parts), len(parts.parts)) > MAX_UNLIKE:
        return Likeness.UNDECIDED, ""
    unit = unit_named(truth.unit)
    known: dict[tuple[str, str], tuple[Likeness, str]] = {}

    def at_best(one: str, other: str) -> bool:
        known[one, other] = compare_parts(one, other, unit)
        return known[one, other][0] is not Likeness.OTHER

    if not match(gold, parts, at_best):
        if are_ranges(gold, parts):
            return Likeness.UNDECIDED, ""
        reasons = [reason for _, reason in known.values() if reason]
        if len(gold.parts) != len(parts.parts):
            reasons.append(f"{len(parts.parts)} answers are given where {len(gold.parts)} are right")
        return Likeness.OTHER, reasons[0] if len(reasons) == 1 else ""
    if match(gold, parts, lambda one, other: compare_parts(one, other, unit)[0] is Likeness.SAME):
        return Likeness.SAME, ""
    return Likeness.UNDECIDED, ""


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def are_ranges(gold: Group, answer: Group) -> bool:
    """Whether one side is several inequalities, so that a union of intervals may say the same."""
    sides = [[part.latex if isinstance(part, Group) else part for part in group.parts] for group in (gold, answer)]
    if len(sides[0]) == len(sides[1]) or 1 not in (len(sides[0]), len(sides[1])):
        return False
    return any(len(side) > 1 and all(_INEQUALITY.search(part) for part in side) for side in sides)
