"""Whether two quantities are equal, by math-verify and by what it overlooks. Imported by the worker only.

math-verify compares decimals to six places and surds to fifteen, forgets small differences, and finds two equations
equal that have no solution. What it takes for equal is looked at again, to sixty digits.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import sympy  # type: ignore[import-untyped]
from math_verify import LatexExtractionConfig, parse, verify

from spro.verify.math.latex import without_rounding

# Units are taken off before, with more care.
_SPELLING = replace(LatexExtractionConfig().normalization_config, units=False)
_CONFIG = (
    LatexExtractionConfig(boxed_match_priority=0, try_extract_without_anchor=False, normalization_config=_SPELLING),
)
_DIGITS = 60
# Relative. Decimals are rounded by whoever wrote them: 0.333333 is a third, 0.0000001 is not 0.0000002.
_EXACT = 1e-45
_ROUNDED = 1e-4
# Where two formulas in the same variables are compared; positive, away from the integers, and not round.
_POINTS = (17, 5, 23, 3, 29)
_FORMS = 512
_FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_ANGLE = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s?\^\\circ(?![A-Za-z])")
_INEQUALITIES = (sympy.Lt, sympy.Le, sympy.Gt, sympy.Ge, sympy.And)


@lru_cache(maxsize=_FORMS)
def read(latex: str) -> tuple[Any, ...]:
    """The algebra, where it could be read, and then math-verify's cleaned string; without a time limit of its own.

    Raises:
        MemoryError: passes; nothing else of what sympy raises does.
    """
    exact, rounded = without_rounding(latex)
    if rounded:
        forms = read(exact)
        return forms if _rounds_to(forms, rounded) else ()
    if _FUNCTION.search(latex):
        latex = _ANGLE.sub(r"\\frac{\1\\pi}{180}", latex)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            forms = parse(
                f"\\boxed{{{latex}}}", _CONFIG, extraction_mode="first_match", parsing_timeout=None, raise_on_error=True
            )
    except MemoryError:
        raise
    except Exception:
        return ()
    return tuple(forms)


def _rounds_to(forms: tuple[Any, ...], decimal: str) -> bool:
    # To the nearest or towards nought, both are usual.
    try:
        value = sympy.N(_right_side(forms[0]), _DIGITS)
        shown, last = sympy.Rational(decimal), sympy.Rational(1, 10 ** len(decimal.partition(".")[2]))
        beyond = (value - shown) / last * (-1 if decimal.startswith("-") else 1)
        return bool(beyond.is_number) and bool(beyond >= -0.5) and bool(beyond < 1)
    except MemoryError:
        raise
    except Exception:
        return False


def is_algebra(forms: tuple[Any, ...]) -> bool:
    """Whether anything but a string was read."""
    return any(not isinstance(form, str) for form in forms)


def are_equal(gold: tuple[Any, ...], answer: tuple[Any, ...], tolerance: float) -> bool:
    """Whether two readings mean the same.

    Raises:
        MemoryError: passes; sympy gives up in countless other ways on what is no sensible mathematics, and such a pair
            is not shown to be equal.
    """
    return any(_holds(one, other, tolerance) for one in gold for other in answer if _are_comparable(one, other))


def _are_comparable(one: Any, other: Any) -> bool:
    return not isinstance(one, str) and not isinstance(other, str)


def _holds(gold: Any, answer: Any, tolerance: float) -> bool:
    try:
        if tolerance > 0 and _is_within(gold, answer, tolerance):
            return True
        # Gold first: math-verify's comparison is not symmetric.
        is_equal = verify(gold, answer, timeout_seconds=None, raise_on_error=True, allow_set_relation_comp=True)
        if is_equal:
            return not _is_refuted(gold, answer)
        return _are_equal_with_i(gold, answer) or _are_same_ranges((gold,), (answer,))
    except MemoryError:
        raise
    except Exception:
        return False


def _is_within(gold: Any, answer: Any, tolerance: float) -> bool:
    difference = abs(sympy.N(_right_side(answer) - _right_side(gold), _DIGITS))
    # The tolerance is a decimal too: 4.3 is within 0.1 of 4.2.
    return bool(difference.is_Float or difference.is_Integer) and bool(difference <= tolerance * (1 + 1e-9))


def _are_equal_with_i(gold: Any, answer: Any) -> bool:
    # math-verify reads i as a variable where it sees no sign of complex numbers.
    i = {symbol for form in (gold, answer) for symbol in getattr(form, "free_symbols", ()) if symbol.name == "i"}
    if not i or not all(isinstance(form, sympy.Expr) for form in (gold, answer)):
        return False
    imaginary = dict.fromkeys(i, sympy.I)
    difference = gold.subs(imaginary).doit() - answer.subs(imaginary).doit()
    if sympy.simplify(difference) == 0:
        return True
    # Simplification leaves e^{i\pi/3} as it is.
    return not difference.free_symbols and bool(sympy.simplify(sympy.expand_complex(difference)) == 0)


def are_same_ranges(gold: tuple[tuple[Any, ...], ...], answer: tuple[tuple[Any, ...], ...]) -> bool:
    """Whether the union of what inequalities and intervals allow is the same; each side is a tuple of readings.

    Raises:
        MemoryError: passes.
    """
    try:
        return _are_same_ranges(*(tuple(forms[0] for forms in side) for side in (gold, answer)))
    except MemoryError:
        raise
    except Exception:
        return False


def _are_same_ranges(gold: tuple[Any, ...], answer: tuple[Any, ...]) -> bool:
    ranges = (*gold, *answer)
    inequalities = [form for form in ranges if isinstance(form, _INEQUALITIES)]
    if not inequalities or not all(isinstance(form, (*_INEQUALITIES, sympy.Set)) for form in ranges):
        return False
    if len({symbol for form in inequalities for symbol in form.free_symbols}) != 1:
        return False
    one, other = (
        sympy.Union(*(form if isinstance(form, sympy.Set) else form.as_set() for form in side))
        for side in (gold, answer)
    )
    return bool(one == other)


def _is_refuted(gold: Any, answer: Any) -> bool:
    if isinstance(gold, sympy.Eq) and isinstance(answer, sympy.Eq):
        return _are_both_unsolvable(gold, answer)
    return any(_differ(one, other) for one, other in _quantities(_right_side(gold), _right_side(answer)))


def _quantities(gold: Any, answer: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(gold, sympy.MatrixBase) and isinstance(answer, sympy.MatrixBase) and gold.shape == answer.shape:
        yield from zip(gold.flat(), answer.flat(), strict=True)
    elif isinstance(gold, sympy.Interval) and isinstance(answer, sympy.Interval):
        yield from ((gold.start, answer.start), (gold.end, answer.end))
    elif isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr):
        yield gold, answer


def _differ(gold: Any, answer: Any) -> bool:
    difference = gold - answer
    if difference.is_Rational:
        return bool(difference != 0)
    symbols = sorted(gold.free_symbols | answer.free_symbols, key=str)
    limit = _ROUNDED if gold.has(sympy.Float) or answer.has(sympy.Float) else _EXACT
    for start in range(3 if symbols else 1):
        values = {
            symbol: sympy.Rational(_POINTS[(start + place) % len(_POINTS)], 7) for place, symbol in enumerate(symbols)
        }
        one, other = (sympy.N(form.subs(values).doit(), _DIGITS) for form in (gold, answer))
        if not (one.is_number and other.is_number and one.is_finite and other.is_finite):
            continue
        # Names such as those of functions are left as they are; only numbers can refute.
        size = max(abs(one), abs(other))
        if size != 0 and bool(abs(sympy.N(one - other, _DIGITS)) > limit * size):
            return True
    return False


def _are_both_unsolvable(gold: Any, answer: Any) -> bool:
    sides = [form.lhs - form.rhs for form in (gold, answer)]
    if sympy.simplify(sides[0] - sides[1]) == 0 or sympy.simplify(sides[0] / sides[1]).is_number:
        return False
    return not sympy.solve(gold, gold.free_symbols)


def _right_side(form: Any) -> Any:
    return form.rhs if isinstance(form, sympy.Eq) else form
