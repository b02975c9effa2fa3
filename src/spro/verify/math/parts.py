r"""The parts of an answer: a list has several, a set and a tuple hold theirs in brackets, anything else is one.

Read from the string and not by math-verify, whose sets forget how often a part stands in them, and whose tuples turn
into sets and back (``1,2`` for ``(2,1)``). A ``\pm`` is two parts. One pass over the text.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from spro.verify.math.latex import plain_latex

MAX_SIGNS = 3
"""Signs ``\\pm`` in one part that are written out, two parts for each."""

_TOKEN = re.compile(r"\\[A-Za-z]{1,32}|\\.|[^\\]|\\$", re.DOTALL)
_OPENING = {"(", "[", "{", "\\{", "\\begin", "\\lbrace", "\\langle", "\\lbrack", "\\lfloor", "\\lceil"}
_CLOSING = {")", "]", "}", "\\}", "\\end", "\\rbrace", "\\rangle", "\\rbrack", "\\rfloor", "\\rceil"}
_NAMES = {"\\lbrace": "{", "\\{": "{", "\\rbrace": "}", "\\}": "}", "\\langle": "(", "\\rangle": ")"} | {
    "\\lbrack": "[",
    "\\rbrack": "]",
}
_CONNECTIVE = re.compile(
    r"\\text\s?\{\s?,?\s?(?:and|or)\s?\}|(?<![A-Za-z\\{])(?:and|or)(?![A-Za-z])|\\(?:lor|vee)(?![A-Za-z])"
)
# A comma with a space after it parts: "1,000, 2,000" is two.
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3}){1,8}(?!\d|,(?!\s))")
_NAME = r"\\?[A-Za-z]{1,8}(?:_\{?[A-Za-z0-9]\}?)?"
_HEAD = re.compile(rf"(?:{_NAME}|\(\s?{_NAME}(?:\s?,\s?{_NAME}){{1,8}}\s?\))\s?(?:\\in(?![A-Za-z])|=)\s?")
_REALS = r"\s?\\in\s?(?:\\mathbb\s?\{?\s?R\s?\}?|\\R(?![A-Za-z]))"
_BUILDER = re.compile(
    rf"\\\{{\s?({_NAME})(?:{_REALS})?\s?(?:\\mid(?![A-Za-z])|\\colon(?![A-Za-z])|[|:])"
    r"((?:[^\\,;|]|\\[A-Za-z]){1,256})\\\}"
)
# A relation to nothing says the same as none.
_LEADING = re.compile(r"^(?:=(?!=)|\\(?:approx|doteq)(?![A-Za-z]))\s?")
_SYSTEM = re.compile(
    r"(?:\\\{|\\lbrace)?\s?\\begin\s?\{(?:cases|array|aligned)\}(?:\s?\{[lcr]{1,4}\})?((?:[^&\\]|\\[^be]|\\\\){1,512})"
    r"\\end\s?\{(?:cases|array|aligned)\}"
)
_EQUATION = re.compile(rf"{_NAME}\s?=[^=<>]{{1,256}}")
_COMPARED = re.compile(r"[<>]|\\(?:le|ge|ne)(?![A-Za-z])")
_BOTH = re.compile(r"(?<![A-Za-z])and(?![A-Za-z])|\\(?:land|wedge)(?![A-Za-z])")
_OPEN, _CLOSE = r"[,\s]{0,2}(?:\\text\s?\{[,\s]{0,2}|(?<=[\s,]))", r"\s?\}?\s?"
_FREE = (
    re.compile(
        rf"{_OPEN}(?:for|where|with) (?:all|any|every|each|an arbitrary|some(?= (?:real )?constant))"
        rf"(?: real| constants?| numbers?| values? of){{0,3}}{_CLOSE}(?:{_NAME})(?:{_REALS})?{_CLOSE}$"
    ),
    re.compile(
        rf"{_OPEN}(?:where |with )?{_CLOSE}(?:{_NAME})\s?\\text\s?\{{\s?(?:is|being) (?:a|any|an arbitrary)"
        r"(?: real)?(?: constant| number)\s?\}$"
    ),
    re.compile(rf"\s?,\s?{_NAME}{_REALS}$"),
)
_INTEGERS = (
    re.compile(
        rf"{_OPEN}(?:where|with|for|and)?{_CLOSE}({_NAME})\s?"
        r"\\text\s?\{\s?(?:is|being) (?:an|any|an arbitrary) integer\s?\}$"
    ),
    re.compile(rf"{_OPEN}for (?:all |any |every |each |some |an )?integers?{_CLOSE}({_NAME}){_CLOSE}$"),
)
_CONDITION = re.compile(
    rf"[,\s]{{0,2}}(?:\\text\s?\{{[,\s]{{0,2}}(?:for|where|with)\s?\}}|(?<=[\s,])(?:for|where|with)(?=\s))"
    rf"(?=\s?{_NAME}\s?(?:[<>]|\\(?:in|le|ge|ne)(?![A-Za-z])))"
)
_CHOICES = re.compile(r"\\text\s?\{([^{}\\]*)\}")
_CHOICE = re.compile(r"\(?[A-Z]\)?")
_SIGN = re.compile(r"\\pm(?![A-Za-z])|\\mp(?![A-Za-z])")


class Kind(StrEnum):
    """How the parts of a group belong together."""

    LIST = "list"
    """In any order, each as often as it is there; one part alone is a list too."""
    SET = "set"
    """The same in braces."""
    TUPLE = "tuple"
    """In order, in round or square brackets; an interval is one, and so are a point and a vector."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that belong together.

    Attributes:
        kind: how.
        parts: plain LaTeX, or groups.
        brackets: ``"()"``, ``"[)"`` and so on for a tuple, else empty.
        latex: the whole, as math-verify would get it.
    """

    kind: Kind
    parts: "tuple[str | Group, ...]"
    brackets: str
    latex: str


def read_parts(latex: str, wanted: int = 1) -> Group:
    """The list that an answer is, of one part or more.

    Args:
        latex: the answer, in any spelling.
        wanted: parts that the ground truth has. ``1,234`` is one part or two, whichever agrees with that.
    """
    text = _stated(plain_latex(latex))
    if 1 < wanted == len(text) == len(set(text)) and re.fullmatch("[A-Z]+", text):
        # Choices may be run together.
        return _list(",".join(text))
    joined = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    group = _list(joined)
    if joined != text and len(group.parts) != wanted:
        literal = _list(text)
        group = literal if len(literal.parts) == wanted else group
    return group


def _stated(text: str) -> str:
    """Without the words around the parts: a set is what its builder asks, and what holds for all letters just holds."""
    text = _LEADING.sub("", text, count=1)
    if system := _SYSTEM.fullmatch(text):
        rows = [row.strip(" ,;") for row in system[1].split("\\\\")]
        rows = [row for row in rows if row]
        text = ", ".join(rows) if all(_EQUATION.fullmatch(row) for row in rows) else text
    builder = _BUILDER.fullmatch(text)
    if builder and builder[1] in builder[2] and _COMPARED.search(builder[2]) and not _BOTH.search(builder[2]):
        return builder[2].strip()
    head = _HEAD.match(text)
    if head and isinstance(group := _part(text[head.end() :]), Group) and group.kind is Kind.SET:
        return group.latex
    for pattern, instead in (*((free, "") for free in _FREE), *((one, r", \1 \\in \\mathbb{Z}") for one in _INTEGERS)):
        rest = pattern.sub(instead, text).strip()
        # Half of a \text would be left where the words are in it.
        text = rest if rest and rest.count("{") == rest.count("}") else text
    return _CONDITION.sub(",", text)


def _list(text: str) -> Group:
    signed = [sign for part in split(_without_choices(text)) for sign in _signs(part)]
    parts = tuple(_part(part) for part in signed)
    if len(parts) == 1 and isinstance(parts[0], Group) and parts[0].kind is Kind.SET:
        return parts[0]
    return Group(Kind.LIST, parts, "", text)


def _part(text: str) -> str | Group:
    tokens = _TOKEN.findall(text)
    if len(tokens) < 2 or tokens[0] not in _OPENING or tokens[-1] not in _CLOSING:
        return text
    opening, closing = _NAMES.get(tokens[0], tokens[0]), _NAMES.get(tokens[-1], tokens[-1])
    if not _is_whole(tokens):
        return text
    inner = "".join(tokens[1:-1])
    # A plain brace is TeX's own group, and prints nothing.
    if tokens[0] == "{":
        return text
    if opening + closing == "{}" and not re.search(r"\\mid(?![A-Za-z])|[|:]", inner):
        parts = tuple(sign for part in split(inner) for sign in _signs(part))
        return Group(Kind.SET, tuple(_part(part) for part in parts), "", text)
    # Deeper nesting is math-verify's.
    parts = tuple(split(inner))
    if len(parts) < 2 or opening not in "([" or closing not in ")]":
        return text
    return Group(Kind.TUPLE, parts, opening + closing, text)


def split(text: str) -> list[str]:
    """The stretches between commas, semicolons, "and" and "or" outside all brackets; never none."""
    text = _CONNECTIVE.sub(_as_comma(text), text)
    stretches, depth, start, position = [], 0, 0, 0
    for token in _TOKEN.findall(text):
        if token in _OPENING:
            depth += 1
        elif token in _CLOSING:
            depth -= 1
        elif depth == 0 and token in (",", ";"):
            stretches.append(text[start:position])
            start = position + 1
        position += len(token)
    stretches.append(text[start:])
    return [stretch.strip() for stretch in stretches if stretch.strip()] or [text.strip()]


def _as_comma(text: str) -> str:
    # "no solution or else" is a sentence; only between formulas does the word part them.
    return (
        ","
        if not re.search(r"(?<![A-Za-z\\])(?!and\b|or\b)[A-Za-z]{3,}", re.sub(r"\\text\s?\{[^{}]{0,64}\}", "", text))
        else r"\g<0>"
    )


def _is_whole(tokens: list[str]) -> bool:
    depth = 0
    for position, token in enumerate(tokens):
        depth += (token in _OPENING) - (token in _CLOSING)
        if depth <= 0 and position < len(tokens) - 1:
            return False
    return depth == 0


def _signs(part: str) -> list[str]:
    found = [match[0] for match in _SIGN.finditer(part)]
    if not found:
        return [part]
    if len(found) > MAX_SIGNS or "\\mp" in found:
        # Read together: upper signs, lower signs.
        upper = part.replace("\\pm", "+").replace("\\mp", "-")
        return [_unsigned(upper), _unsigned(part.replace("\\pm", "-").replace("\\mp", "+"))]
    return [sign for one in "+-" for sign in _signs(_unsigned(_SIGN.sub(one, part, count=1)))]


def _unsigned(part: str) -> str:
    # A sum does not begin with a plus.
    return re.sub(r"(^|[=(,])\s?\+\s?", r"\1", part)


def _without_choices(text: str) -> str:
    match = _CHOICES.fullmatch(text)
    if match is None or not all(_CHOICE.fullmatch(choice.strip()) for choice in match[1].split(",")):
        return text
    return match[1]
