r"""Answers that math-verify would take for equal and that are none: the tricks that a policy can learn.

One rule a trick. A rule sees one part of the ground truth and one part of the answer, both in plain LaTeX without
their units, and says why the answer is refused. No rule is needed for ``9\%`` (a percentage is turned into its value),
repeated parts and sets passed off as tuples (see ``parts.py``), or differences too small to print (see ``algebra.py``).
"""

import re
from collections.abc import Callable

from spro.verify.math.latex import without_rounding

Rule = Callable[[str, str], str]

_OPERATIONS = re.compile(
    r"\\(sum|prod|coprod|i{0,3}int|oint|lim|limsup|liminf|det|gcd|lcm|max|min|sup|inf|binom|choose|bmod|pmod|mod|rank"
    r"|partial|nabla|lfloor|lceil|substack)(?![A-Za-z])"
    r"|\\[dt](binom)(?![A-Za-z])"
    r"|\\(?:operatorname|text)\s?\*?\s?\{\s?(lcm|gcd|det|tr|rank|max|min|mod|arg|Re|Im|Res|floor|ceil|sum|prod|lim)\s?\}"
    r"|(?<![A-Za-z\\])(gcd|lcm|det|max|min|sum|lim|mod|floor|ceil|binom)\s?[(\[{_]"
    r"|\\begin\s?\{([vV]matrix)\}"
    r"|\\frac\s?(?:\{\s?(d|\\partial)(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,64}\}){0,128}\}){0,256}\}|(d)(?![A-Za-z]))\s?"
    r"\{\s?(?:d|\\partial)\s?(?:[A-Za-z]|\{\s?[A-Za-z]\s?\})\s?(?:\^\s?\{?\s?\d\s?\}?\s?)?\}"
    r"|\)\s?(')"
)
_NORMED_MATRIX = re.compile(r"[|]\s?\\begin|\\[lr]?vert\s?\\begin")
_DOTS = re.compile(r"\\(?:[lcdv]|d[bcmo])?dots[bcmo]?(?![A-Za-z])|\.\.")
_RELATION = re.compile(r"(?<![\\<>!:])=|\\(?:approx|ne|equiv|sim|simeq|cong|doteq|propto)(?![A-Za-z])")
_ARROW = re.compile(
    r"\\(?:to|[lL]eft|[rR]ight|[lL]ongright|[lL]eftright)?(?:arrow|implies|iff|therefore|to|mapsto)(?![A-Za-z])"
)
_NAME = re.compile(r"[A-Za-z]|\\(?!frac|sqrt|cdot|times|left|right|pi|infty|div|d?frac|ln|log|sin|cos|tan)[A-Za-z]")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_BINOMIAL = re.compile(r"\\[dt]?binom\s?\{([^{}]{1,32})\}\s?\{([^{}]{1,32})\}")
_BASE = re.compile(r"\d_(\d{1,2})$")
_MATRIX = re.compile(r"\\begin\s?\{(?:[pbvVB]|small)?(?:matrix|array)\}")
_MATRIX_POWER = re.compile(r"\\end\s?\{[pbB]?matrix\}\s?\)?\s?\^\s?\{?\s?-?\d")
_FACTORIALS = re.compile(r"!{1,64}")
# An array in brackets is a matrix.
_BRACKETED = re.compile(r"(?:\[|\\lbrack(?![A-Za-z]))(?!\s?\\begin)[^,;\[\]]{1,512}(?:\]|\\rbrack)")


def refusal(gold: str, answer: str) -> str:
    """Why an answer is refused, whatever its value; empty when nothing speaks against it."""
    return next((reason for rule in RULES if (reason := rule(gold, answer))), "")


def restatement(gold: str, answer: str) -> str:
    r"""``\sum_{k=1}^{100} k`` for 5050: boxing the question. The ground truth may have the same operation."""
    extra = _operations(answer) - _operations(gold)
    if _letters(gold) and all(_letters(match[0]) for match in _BINOMIAL.finditer(answer)):
        # Of letters it is as far as it goes, like a factorial.
        extra -= _operations(answer) - _operations(_BINOMIAL.sub("", answer))
    return f"it leaves {sorted(extra)[0]} to be worked out" if extra else ""


def ellipsis(gold: str, answer: str) -> str:
    r"""``1+2+\ldots+100``: math-verify reads past the dots."""
    return "it has dots in it" if _DOTS.search(answer) and not _DOTS.search(gold) else ""


def chain(gold: str, answer: str) -> str:
    r"""``5=4=3=2=1`` for 1: of a chain math-verify reads the end. One equation is fine if it names what it gives.

    So is the decimal that a value rounds to, written after it; ``algebra.read`` sees that it does.
    """
    answer = without_rounding(answer)[0]
    relations = _RELATION.findall(answer)
    if len(relations) <= len(_RELATION.findall(gold)):
        return ""
    if relations != ["="]:
        return "it is a chain of equations"
    return "" if _NAME.search(_COMMAND.sub(_kept, answer.partition("=")[0])) else "its equation names nothing"


def arrow(gold: str, answer: str) -> str:
    r"""``x=7 \Rightarrow x=6``: of a derivation math-verify reads the end."""
    return "it is a derivation" if _ARROW.search(answer) and not _ARROW.search(gold) else ""


def letter_case(gold: str, answer: str) -> str:
    """``a`` for ``A``: math-verify knows no case, mathematics does."""
    wanted, given = _letters(gold), _letters(answer)
    swapped = sorted(letter for letter in given - wanted if letter.swapcase() in wanted - given)
    return f"it has {swapped[0]!r} where the ground truth has {swapped[0].swapcase()!r}" if swapped else ""


def base(gold: str, answer: str) -> str:
    """``2516_9`` for ``2516_8``, ``11_2`` for 11: math-verify drops the base; none is ten."""
    wanted, given = _BASE.search(gold), _BASE.search(answer)
    return "it is to another base" if given and (wanted[1] if wanted else "10") != given[1] else ""


def products(gold: str, answer: str) -> str:
    r"""``AB`` for the product of two matrices, ``\frac{5!}{2!3!}`` for 10: worked out, each is what was asked for.

    One factorial, or one matrix and its factor, is a value; what counts things with letters in it has factorials.
    """
    wanted, given = (len(_MATRIX.findall(text)) for text in (gold, answer))
    if given > max(wanted, 1) or (_MATRIX_POWER.search(answer) and not _MATRIX_POWER.search(gold)):
        return "it leaves matrices to be multiplied"
    if "!" in gold or "binom" in gold or _letters(gold) or len(_FACTORIALS.findall(answer)) < 2:
        return ""
    return "it leaves factorials to be worked out"


def brackets(gold: str, answer: str) -> str:
    """``[5]`` for 5: a list of one, the integer part or a matrix, and not the number."""
    return "it stands in square brackets" if _BRACKETED.fullmatch(answer) and not _BRACKETED.fullmatch(gold) else ""


RULES: tuple[Rule, ...] = (restatement, ellipsis, chain, arrow, letter_case, base, products, brackets)


def _operations(latex: str) -> set[str]:
    found = {next(name for name in match.groups() if name) for match in _OPERATIONS.finditer(latex)}
    if _NORMED_MATRIX.search(latex):
        found.add("vmatrix")
    same = {"choose": "binom", "bmod": "mod", "pmod": "mod", "Vmatrix": "vmatrix", "\\partial": "partial", "'": "d"}
    return {same.get(name, name) for name in found}


def _kept(match: re.Match[str]) -> str:
    # Greek letters and \angle name something; operators do not.
    return "a" if _NAME.match(match[0]) else " "


def _letters(latex: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]", _COMMAND.sub(" ", re.sub(r"\\(?:text|begin|end)\s?\{[^{}]*\}", " ", latex))))
