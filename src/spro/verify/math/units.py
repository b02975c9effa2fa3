"""Units of measurement at the end of an answer: found, taken off and compared by name.

math-verify drops whatever looks like a unit, single letters too: it takes ``2t`` for ``2h`` and 5 million for 5.
"""

import re

_KNOWN = {
    "mm": "millimeter",
    "cm": "centimeter centimetre",
    "dm": "decimeter decimetre",
    "m": "meter metre",
    "km": "kilometer kilometre",
    "in": "inch inche",
    "ft": "foot feet",
    "yd": "yard",
    "mi": "mile",
    "s": "sec second",
    "min": "minute",
    "h": "hr hour",
    "day": "day",
    "week": "week",
    "month": "month",
    "year": "yr year",
    "mg": "milligram",
    "g": "gm gram",
    "kg": "kilogram",
    "lb": "lbs pound",
    "oz": "ounce",
    "ml": "milliliter millilitre",
    "l": "liter litre",
    "gal": "gallon",
    "$": "dollar usd",
    "¢": "cent",
    "€": "euro eur",
    "£": "gbp",
    "°": "degree deg",
    "rad": "radian",
    "mph": "mph",
    "km/h": "kmph kph kmh km/hr",
    "m/s": "mps m/sec",
    "unit": "unit",
}
_NAMES = {name: unit for unit, names in _KNOWN.items() for name in (unit, *names.split())}
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
# Words that make a sentence of what would else be a unit.
_NO_UNIT = {"or", "and", "if", "not", "is", "are", "except", "but", "mod", "base", "when", "for", "else", "choose"}
# Letters that are mathematics even when set upright.
_LETTERS = {"e", "i", "d", "x", "y", "z", "n", "k", "t"}

_TEXT = re.compile(r"\\text\s?\{([^{}\\]{1,64})\}\s?(?:\^\s?\{?\s?(\d)\s?\}?)?$")
_PLAIN = re.compile(r"(?<=[\d}\s)])([A-Za-z]{2,16})\s?(?:\^\s?\{?\s?(\d)\s?\}?)?$")
_AFTER = re.compile(r"(?<=[\d}\s)])(?:\\text\s?\{\s?)?([¢€£])(?:\s?\})?$")
_DEGREES = re.compile(r"\^\\circ\s?(?:\\text\s?\{\s?)?([CFK]?)(?:\s?\})?$")
_CURRENCY = re.compile(r"^(-?)\s?(\\\$|€|£|\\pounds(?![A-Za-z])|\\text\s?\{\s?\\\$\s?\})\s?")
# The degrees of its angle belong to a function, not to its value: no sum and no bracket ends it before them.
_ANGLE = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])[^=+,;<>]{1,48}$")
_BEFORE = re.compile(r"[\dA-Za-z})!]\s?$")
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}


def split_unit(latex: str) -> tuple[str, str]:
    r"""The quantity without its unit, and the unit: one name for all its spellings, or as written if it is not known.

    Example:
        >>> split_unit(r"5 \text{ square centimeters}")
        ('5', 'cm^2')
        >>> split_unit(r"5 \text{ million}")
        ('5 \\cdot 10^{6}', '')

    Args:
        latex: plain LaTeX, see ``plain_latex``.
    """
    sign = _CURRENCY.match(latex)
    if sign:
        quantity, scale = _without_text(sign[1] + latex[sign.end() :])
        symbol = sign[2].lstrip("\\").removeprefix("text").strip("{ }\\")
        return quantity, "£" if symbol == "pounds" else _NAMES.get(scale, symbol) if scale else symbol
    after = _AFTER.search(latex)
    if after and latex[: after.start()].strip():
        return latex[: after.start()].strip(), after[1]
    degrees = _DEGREES.search(latex)
    if degrees and not _ANGLE.search(latex[: degrees.start()]) and _BEFORE.search(latex[: degrees.start()]):
        return latex[: degrees.start()].strip(), "°" + degrees[1]
    return _without_text(latex)


def differ(unit: str, other: str) -> bool:
    """Whether both are there, known, and not the same."""
    return bool(unit and other) and unit != other and _is_known(unit) and _is_known(other)


def unit_named(text: str) -> str:
    r"""The one name of a unit given by itself: ``$cm^2$``, ``minutes``, ``%``, ``^{\circ}``; as written if unknown."""
    text = text.strip("$ ").replace("\\text", "").replace("\\mathrm", "").replace("{", "").replace("}", "").strip()
    if text in ("%", "\\%", "percent"):
        return "%"
    if text in ("^\\circ", "\\circ", "°"):
        return "°"
    match = re.fullmatch(r"([^^]*)\^\s?(\d)", text)
    return _named(match[1], match[2]) if match else _named(text, None)


def _without_text(latex: str) -> tuple[str, str]:
    match = _TEXT.search(latex) or _PLAIN.search(latex)
    if match is None or not _BEFORE.search(latex[: match.start()]):
        return latex, ""
    quantity, words = latex[: match.start()].strip(), match[1].strip().lower().rstrip(".")
    is_text = match.re is _TEXT
    if words in _SCALES:
        return rf"{quantity} \cdot 10^{{{_SCALES[words]}}}", ""
    scale = words.split(" ")[0]
    if scale in _SCALES:
        quantity, words = rf"{quantity} \cdot 10^{{{_SCALES[scale]}}}", words.partition(" ")[2]
    unit = _named(words, match[2])
    if is_text and _is_unit(words):
        return quantity, unit
    return (quantity, unit) if _is_known(unit) else (latex, "")


def _is_unit(words: str) -> bool:
    if not re.fullmatch(r"[a-zµ .'/-]+", words) or words in _LETTERS:
        return False
    return not (set(words.split()) & _NO_UNIT)


def _named(words: str, power: str | None) -> str:
    rest = words.lower().split()
    exponent = int(power or 1)
    if rest and rest[0] in _POWERS:
        exponent, rest = _POWERS[rest[0]], rest[1:]
    name = " ".join(rest)
    stem = name if name in _NAMES else name.removesuffix("s")
    unit = _NAMES.get(stem, stem)
    return unit if exponent == 1 else f"{unit}^{exponent}"


def _is_known(unit: str) -> bool:
    return unit.partition("^")[0] in _KNOWN or unit.startswith("°")
