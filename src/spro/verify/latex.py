r"""Short LaTeX answers as strings: without their wrapping, and in a form in which equal spellings are equal.

Changes of spelling only, never of meaning: whatever two strings share in the normal form is the same answer. What
means the same and is spelled otherwise (``0.5`` and ``\frac12``) is the worker's to find out.
"""

import re

from spro.verify.boxed import extract_boxed

_WRAPPINGS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))
# Size and thin-space commands print the same mathematics. The look-ahead spares \leftarrow, \rightarrow.
_SIZES = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\!")
_FRACTIONS = re.compile(r"\\[dt]frac(?![A-Za-z])")


def bare_latex(text: str) -> str:
    r"""``text`` without a surrounding ``$``, ``$$``, ``\(``, ``\[`` or ``\boxed``, full stop or white space.

    Data sets give their gold answers in all these forms. Several formulas in one text (``$1$ and $2$``) stay as they
    are.
    """
    if "\\boxed" in text or "\\fbox" in text:
        text = extract_boxed(text) or text
    previous = None
    while text != previous:
        previous = text
        text = text.strip().removesuffix(".")
        for opening, closing in _WRAPPINGS:
            inner = _within(text, opening, closing)
            if inner is not None:
                text = inner
                break
    return text


def normal_latex(text: str) -> str:
    r"""One spelling for texts that differ in wrapping, white space, ``\left``/``\right``, ``\!`` or ``\dfrac`` only."""
    text = _SIZES.sub("", bare_latex(text))
    return " ".join(_FRACTIONS.sub(r"\\frac", text).split())


def _within(text: str, opening: str, closing: str) -> str | None:
    if len(text) < len(opening) + len(closing) or not (text.startswith(opening) and text.endswith(closing)):
        return None
    inner = text[len(opening) : len(text) - len(closing)]
    # A backslash at the end makes the closing dollar a printed one; another sign inside makes it two formulas.
    return None if inner.endswith("\\") or opening in inner or closing in inner else inner
