r"""Short LaTeX answers as strings: without their wrapping, and in a form in which equal spellings are equal.

Changes of spelling only, never of meaning: whatever two strings share in the normal form is the same answer. What
means the same and is spelled otherwise (``0.5`` and ``\frac12``) is the worker's to find out.

No expression here can backtrack over more than a bounded stretch: the text may be a model's.
"""

import re
import unicodedata
from collections.abc import Callable

from spro.verify.math.boxed import extract_boxed

_WRAPPINGS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"))
# Size and thin-space commands print the same mathematics. The look-ahead spares \leftarrow, \rightarrow.
_SIZES = re.compile(r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|limits)(?![A-Za-z])|\\!")
_FRACTIONS = re.compile(r"\\[dtc]frac(?![A-Za-z])")

_SIGNS = str.maketrans(
    {
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "\N{MULTIPLICATION SIGN}": r"\times ",
        "·": r"\cdot ",
        "⋅": r"\cdot ",
        "÷": r"\div ",
        "π": r"\pi ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "±": r"\pm ",
        "∓": r"\mp ",
        "\N{UNION}": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
        "∅": r"\emptyset ",
        "°": r"^\circ ",
        "∑": r"\sum ",
        "Σ": r"\sum ",
        "∏": r"\prod ",
        "∫": r"\int ",
        "…": r"\ldots ",
        "⋯": r"\cdots ",
        "⌊": r"\lfloor ",
        "⌋": r"\rfloor ",
        "⌈": r"\lceil ",
        "⌉": r"\rceil ",
        "\N{NO-BREAK SPACE}": " ",
        "~": " ",
    }
)
# They print nothing. Those that turn the direction of writing do print something: they stay, and nothing reads them.
_INVISIBLE = re.compile(
    "[\N{SOFT HYPHEN}\N{ZERO WIDTH SPACE}-\N{ZERO WIDTH JOINER}\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}]"
)
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋"
_UNICODE = (
    (re.compile(f"[{_RAISED}]{{1,64}}"), r"^{\g<0>}"),
    (re.compile(f"[{_LOWERED}]{{1,64}}"), r"_{\g<0>}"),
    # The slash of a printed fraction is one of its own.
    (re.compile("[¼-¾⅐-⅞↉]"), r"\\frac\g<0>"),
)


def _joined(match: re.Match[str]) -> str:
    return match[1].replace(" ", "")


def _mixed(match: re.Match[str]) -> str:
    whole, numerator, denominator = match.groups()
    return rf"{whole}\frac{{{numerator}}}{{{denominator}}}" if int(numerator) < int(denominator) else match[0]


# Not in the middle of something longer.
_ALONE = r"(?<![\w.,^}\\/])"
_SPELLINGS = (
    (re.compile(r"\\textcolor\s{0,4}\{[^{}]{0,32}\}\s{0,4}|\\color\s{0,4}\{[^{}]{0,32}\}"), ""),
    (re.compile(r"^\{([^{}\\]{1,64})\}$"), r"\1"),
    (re.compile(r"\\(?:text|math)(?:bf|it|rm|normal|sf|tt)(?![A-Za-z])|\\mbox(?![A-Za-z])"), r"\\text"),
    (re.compile(r"(?<=\d)\{,\}(?=\d{3}(?!\d))|(?<=\d)\\,(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), "."),
    (re.compile(r"(?<=\d)\{:\}(?=\d)"), ":"),
    (re.compile(r"\\varnothing(?![A-Za-z])|\\\{\s{0,4}\\\}"), r"\\emptyset "),
    (re.compile(r"(?<!\\)\\(?:[,;: ]|quad(?![A-Za-z])|qquad(?![A-Za-z]))"), " "),
    (re.compile(r"\\degree(?![A-Za-z])|\^\s{0,4}\{\s{0,4}\\circ\s{0,4}\}"), r"^\\circ"),
    (re.compile(r"\^\s{0,4}\\circ(?![A-Za-z])"), r"^\\circ "),
    (re.compile(r"<=|\\leqslant(?![A-Za-z])|\\leq(?![A-Za-z])"), r"\\le "),
    (re.compile(r">=|\\geqslant(?![A-Za-z])|\\geq(?![A-Za-z])"), r"\\ge "),
    (re.compile(r"!=|\\neq(?![A-Za-z])"), r"\\ne "),
    (re.compile(r"(?<![A-Za-z\\])infinity(?![A-Za-z])"), r"\\infty "),
    (re.compile(r"(?<![A-Za-z\\])pi(?![A-Za-z])"), r"\\pi "),
    (re.compile(r"\\text\s{0,4}\{\s{0,4}(-?\d{1,64}(?:\.\d{1,64})?)\s{0,4}\}"), r"\1"),
    (re.compile(r"\\([dt]?)binom\s{0,4}(\d)\s{0,4}(\d)"), r"\\\1binom{\2}{\3}"),
    (re.compile(r"\\log\s{0,4}_\s{0,4}(?:e(?![A-Za-z])|\{\s{0,4}e\s{0,4}\})"), r"\\ln "),
    # As programs print it.
    (re.compile(rf"{_ALONE}(\d{{1,32}}(?:\.\d{{1,32}})?)[eE]\+?(-?\d{{1,3}})(?![\w.^({{\\])"), r"\1 \\cdot 10^{\2}"),
    # Groups of exactly three digits are one number, and a whole number before a proper fraction is mixed with it.
    (re.compile(rf"{_ALONE}(?<!\d )([1-9]\d{{0,2}}(?: \d{{3}}){{1,8}})(?! ?\d|[,_/])"), _joined),
    (re.compile(rf"{_ALONE}(?<!\d )(\d{{1,9}}) (\d{{1,4}})/(\d{{1,4}})(?![\w.^/!])"), _mixed),
    # The number first: math-verify takes a bracketed one with a subscript for a falling factorial.
    (re.compile(r"\((\d{1,64})\)\s{0,4}_"), r"\1_"),
    (re.compile(r"(?<=\d)\s{0,4}_\s{0,4}\{\s{0,4}(\d{1,2})\s{0,4}\}"), r"_\1"),
)
_ROUNDED = re.compile(r"(.{0,512}\S)\s?\\approx\s?(-?\d{1,20}(?:\.\d{1,20})?)", re.DOTALL)
_RECURRING = (
    re.compile(r"(?<!\d)(\d{0,12})\.(\d{0,12})\\overline\s{0,4}\{(\d{1,12})\}"),
    re.compile(r"(?<![\w.])(\d{1,12})\.(\d{0,12})\((\d{1,12})\)(?![\w^!(])"),
    # At least three times, as anyone writes it who means "and so on".
    re.compile(r"(?<![\w.])(\d{1,12})\.(\d{0,12}?)(\d{1,6}?)\3{2,}\s?(?:\\[lc]?dots(?![A-Za-z])|\.\.\.)(?![\w.^!(])"),
)


def bare_latex(text: str) -> str:
    r"""``text`` without a surrounding ``$``, ``$$``, ``\(``, ``\[`` or ``\boxed``, full stop or white space.

    Data sets give their gold answers in all these forms. Several formulas in one text (``$1$ and $2$``) stay as they
    are.
    """
    return _settled(text, _unwrapped)


def normal_latex(text: str) -> str:
    r"""One spelling for texts that differ in wrapping, white space, ``\left``/``\right``, ``\!`` or ``\dfrac`` only."""
    return _settled(text, _normal)


def plain_latex(text: str) -> str:
    r"""The spelling that the grader works on: few commands for one thing, no dollars, no recurring decimals.

    Printed dollars (``\$``) stay, since they are a unit. ``1{,}234`` and ``12\,345`` lose their separators, any other
    ``{,}`` between digits is a decimal comma, and ``0.1\overline{6}`` becomes the fraction that it is.
    """
    return _settled(text, _plain)


def without_rounding(latex: str) -> tuple[str, str]:
    r"""``\sqrt{3}`` and ``1.732`` of ``\sqrt{3} \approx 1.732``; all and nothing where no such decimal ends it."""
    match = _ROUNDED.fullmatch(latex)
    return (match[1], match[2]) if match else (latex, "")


def _settled(text: str, step: Callable[[str], str]) -> str:
    # What one replacement leaves may be material for another. Each shortens or has its own form, so this ends.
    previous = None
    while text != previous:
        previous, text = text, step(text)
    return text


def _unwrapped(text: str) -> str:
    if "\\boxed" in text or "\\fbox" in text:
        text = extract_boxed(text) or text
    text = text.strip()
    # Dots at the end say that it goes on.
    text = text if text.endswith("..") else text.removesuffix(".")
    inners = (_within(text, opening, closing) for opening, closing in _WRAPPINGS)
    return next((inner for inner in inners if inner is not None), text)


def _normal(text: str) -> str:
    return " ".join(_FRACTIONS.sub(r"\\frac", _SIZES.sub("", bare_latex(text))).split())


def _plain(text: str) -> str:
    text = normal_latex((text if text.isascii() else _ascii(text)).translate(_SIGNS))
    text = re.sub(r"(?<!\\)\$", "", text)
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    for pattern in _RECURRING:
        text = pattern.sub(_fraction, text)
    return " ".join(text.split())


def _ascii(text: str) -> str:
    text = _INVISIBLE.sub("", text.translate(_SIGNS))
    for pattern, spelling in _UNICODE:
        text = pattern.sub(spelling, text)
    text = re.sub(r"\\frac(\d{1,2})\N{FRACTION SLASH}(\d{1,2})", r"\\frac{\1}{\2}", unicodedata.normalize("NFKC", text))
    return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in text)


def _fraction(match: re.Match[str]) -> str:
    whole, fixed, period = match.groups()
    numerator = int(whole + fixed + period) - int("0" + whole + fixed)
    return rf"\frac{{{numerator}}}{{{(10 ** len(period) - 1) * 10 ** len(fixed)}}}"


def _within(text: str, opening: str, closing: str) -> str | None:
    if len(text) < len(opening) + len(closing) or not (text.startswith(opening) and text.endswith(closing)):
        return None
    inner = text[len(opening) : len(text) - len(closing)]
    # A backslash at the end makes the closing dollar a printed one; another sign inside makes it two formulas.
    return None if inner.endswith("\\") or opening in inner or closing in inner else inner
