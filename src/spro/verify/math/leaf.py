r"""One part of an answer, and what its string alone tells about its equality with another.

Words, choices, times of day and refused tricks are decided here; quantities go on to the worker.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from spro.verify.math.guard import refusal
from spro.verify.math.latex import normal_latex
from spro.verify.math.units import differ, is_more_than_nothing, split_unit, without_declared

_TEXTS = re.compile(r"\\text\s?\{([^{}\\]*)\}")
# Names that are products of variables when they stand alone: xyz, abc. Anything longer or other is a word.
_VARIABLES = set("abcdkmnpqruvwxyz")
_ALWAYS_WORDS = {"no", "yes", "true", "false", "none", "odd", "even", "dne"}
_SENTENCE = re.compile(r"[A-Za-z0-9(][A-Za-z0-9 .,'\u2019:/&()-]*")
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9 .,'\u2019&-]*")
_CHOICE = re.compile(r"\(\s?([A-Za-z])\s?\)|([A-Za-z])")
_CLOCK = re.compile(r"\d{1,4}(?:\s?:\s?\d{1,4}){1,3}")
_HALF = r"(?:\\text\s?\{\s?([ap])\.?\s?m\.?\s?\}|([ap])\.\s?m\.?|(?<=:\d\d)\s?([ap])m)"
_TIME = re.compile(rf"(\d{{1,2}}(?:\s?:\s?\d\d){{0,2}})\s?{_HALF}", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:an?|the) (?=[a-z]{3})")
_NOTHING = re.compile(r"(?:there (?:is|are) )?no (?:real )?solutions?(?: exists?)?")
# A choice and what it says; words after it may take it back.
_LABELLED = re.compile(
    r"(?:\\text\s?\{\s?)?\(\s?([A-Z])\s?\)\s?\}?\s?(?:\\(?!text)[A-Za-z]+|\\\$|[a-z](?![A-Za-z])|[^()\\A-Za-z]){1,128}"
)
_PERCENT = re.compile(r"\s?(?:\\?%|\\text\s?\{\s?(?:percent|pct|\\?%)\s?\}|(?<![A-Za-z])percent)$")
_HEAD = re.compile(r"(?:\\?[A-Za-z]{1,8}|\([A-Za-z](?:\s?,\s?[A-Za-z]){1,8}\))\s?(?:\\in(?![A-Za-z])|=(?=\s?\())\s?")


class Likeness(StrEnum):
    """What two strings tell of the equality of what they mean."""

    SAME = "same"
    OTHER = "other"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Leaf:
    r"""A part, read.

    Attributes:
        latex: the quantity without unit, percent sign and ``x \in``.
        unit: one name for all its spellings; empty without one.
        is_percent: it ended in a percent sign, which ``latex`` lacks.
        word: lower case where case does not matter; empty for mathematics.
        choice: the letter of a multiple-choice answer or variable; empty for anything else.
        is_marked: the choice stands in brackets or upright, so that it is none but a choice.
    """

    latex: str
    unit: str = ""
    is_percent: bool = False
    word: str = ""
    choice: str = ""
    is_marked: bool = False

    @property
    def value(self) -> str:
        """What math-verify is to read."""
        return rf"\frac{{{self.latex}}}{{100}}" if self.is_percent else self.latex


@lru_cache(maxsize=1024)
def read_leaf(latex: str) -> Leaf:
    """Read one part.

    Args:
        latex: plain LaTeX, see ``plain_latex``.
    """
    percent = _PERCENT.search(latex)
    if percent and percent.start() > 0 and "\\approx" not in latex:
        return Leaf(latex[: percent.start()].strip(), is_percent=True)
    if choice := _CHOICE.fullmatch(_TEXTS.sub(r"\1", latex).strip()):
        return Leaf(latex, choice=choice[1] or choice[2], is_marked=choice[1] is not None or "\\text" in latex)
    if time := _TIME.fullmatch(re.sub(r"\\text\s?\{\s?(\d[^{}\\]*)\}", r"\1", latex).strip()):
        return Leaf(time[1].replace(" ", ""), (time[2] or time[3] or time[4]).lower() + "m")
    if word := _word(latex):
        return Leaf(latex, word=word)
    quantity, unit = split_unit(latex)
    if _CLOCK.fullmatch(quantity):
        return Leaf(quantity.replace(" ", ""), unit)
    return Leaf(quantity, unit)


def with_unit(leaf: Leaf, unit: str) -> Leaf:
    """A part of a ground truth whose unit is given beside it."""
    if unit == "%":
        return replace(leaf, is_percent=False, unit="%")
    return replace(leaf, unit=leaf.unit or unit)


def likeness(gold: Leaf, answer: Leaf) -> tuple[Likeness, str]:
    """What the strings tell, and a reason where the answer is refused for how it is written."""
    if gold.choice or answer.choice:
        return _of_choices(gold, answer), ""
    if gold.word or answer.word:
        return (Likeness.SAME if gold.word == answer.word else Likeness.OTHER), ""
    if {gold.unit, answer.unit} == {"am", "pm"}:
        return Likeness.OTHER, "it is the other half of the day"
    wanted_unit, given_unit = ("%" if leaf.is_percent else leaf.unit for leaf in (gold, answer))
    if differ(wanted_unit, given_unit):
        return Likeness.OTHER, f"it is in {given_unit} and not in {wanted_unit}"
    if is_more_than_nothing(answer.unit) and not gold.unit:
        return Likeness.OTHER, f"it has {answer.unit} after it"
    if gold.unit == "%":
        answer = replace(answer, is_percent=False)
    wanted, given = _clock(gold), _clock(answer)
    if wanted and given:
        return (Likeness.SAME if wanted == given else Likeness.OTHER), ""
    if gold.is_percent == answer.is_percent and normal_latex(gold.latex) == normal_latex(answer.latex):
        return Likeness.SAME, ""
    if gold.unit and normal_latex(gold.latex) == normal_latex(without_declared(answer.latex, gold.unit)):
        return Likeness.SAME, ""
    if reason := refusal(gold.latex, answer.latex):
        return Likeness.OTHER, reason
    return Likeness.UNDECIDED, ""


def without_heads(gold: str, answer: str) -> tuple[str, str]:
    r"""Both without a leading ``x \in`` or ``(x, y) =``, unless the two say it of different things."""
    heads = [_HEAD.match(text) for text in (gold, answer)]
    said = {head[0].replace(" ", "") for head in heads if head}
    if len(said) > 1:
        return gold, answer
    bare = [text[head.end() :] if head else text for text, head in zip((gold, answer), heads, strict=True)]
    return bare[0], bare[1]


def _clock(leaf: Leaf) -> list[int]:
    if not _CLOCK.fullmatch(leaf.latex) and leaf.unit not in ("am", "pm"):
        return []
    parts = [int(part) for part in leaf.latex.split(":")]
    # 4 p.m. is 4:00 p.m.
    return parts if len(parts) > 1 else [*parts, 0]


def _of_choices(gold: Leaf, answer: Leaf) -> Likeness:
    if not (gold.choice and answer.choice):
        said = _LABELLED.fullmatch(gold.latex)
        if said and answer.choice:
            return Likeness.SAME if said[1] == answer.choice.upper() else Likeness.OTHER
        # A variable may still equal an equation (x for y = x) or a product of one.
        variable = gold if gold.choice else answer
        other = answer if gold.choice else gold
        labelled = _LABELLED.fullmatch(answer.latex)
        if labelled and (gold.is_marked or gold.choice.isupper()):
            return Likeness.SAME if labelled[1] == gold.choice.upper() else Likeness.OTHER
        if answer.unit and answer.latex.startswith("(") and _CHOICE.fullmatch(answer.latex):
            return Likeness.OTHER
        if variable.is_marked or other.word or refusal(gold.latex, answer.latex):
            return Likeness.OTHER
        return Likeness.UNDECIDED
    if gold.is_marked:
        return Likeness.SAME if gold.choice.lower() == answer.choice.lower() else Likeness.OTHER
    return Likeness.SAME if gold.choice == answer.choice else Likeness.OTHER


def _word(latex: str) -> str:
    if latex == "\\emptyset":
        return "no solution"
    text = " ".join(_TEXTS.sub(r" \1 ", latex).split()).strip(" .")
    letters = sum(character.isalpha() for character in text)
    if letters < 2:
        return ""
    if latex.startswith("\\text"):
        return _settled(text.lower()) if _SENTENCE.fullmatch(text) else ""
    if not _BARE.fullmatch(text) or "\\" in latex:
        return ""
    runs = [
        run for run in re.findall(r"[A-Za-z]+", text) if len(run) > 2 and (run.isupper() or not set(run) <= _VARIABLES)
    ]
    if not runs and text.lower() not in _ALWAYS_WORDS:
        return ""
    # AB and BA, ABC and abc are names of different things; a long word is the same in any case.
    return text if text.isupper() and text.lower() not in _ALWAYS_WORDS else _settled(text.lower())


def _settled(word: str) -> str:
    word = _ARTICLE.sub("", word, count=1) if _ARTICLE.match(word) else word
    return "no solution" if _NOTHING.fullmatch(word) else word
