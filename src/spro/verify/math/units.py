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
# Symbols whose case matters: K is no k, and S no s.
_SYMBOLS = {
    "N": "newton",
    "K": "kelvin",
    "T": "tesla",
    "V": "volt",
    "W": "watt",
    "J": "joule",
    "A": "ampere amp",
    "C": "coulomb",
    "F": "farad",
    "H": "henry henrie",
    "Hz": "hertz",
    "Pa": "pascal",
    "mol": "mole",
    "eV": "electronvolt",
    "Ω": "ohm",
    "S": "siemen",
    "M": "molar",
    "Wb": "weber",
    "Wh": "watt-hour",
    "Bq": "becquerel",
    "cal": "calorie",
    "bar": "bar",
    "atm": "atmosphere",
    "Å": "angstrom",
    "AU": "AU",
}
_PREFIXES = {
    "G": "giga",
    "M": "mega",
    "k": "kilo",
    "d": "deci",
    "c": "centi",
    "m": "milli",
    "µ": "micro",
    "n": "nano",
    "p": "pico",
}
_ORDINARY = {"m": "meter metre", "g": "gram", "s": "second", "l": "liter litre"}


def _special() -> dict[str, str]:
    found = {name: symbol for symbol, names in _SYMBOLS.items() for name in (symbol, *names.split())}
    for prefix, long in _PREFIXES.items():
        for symbol, names in (_SYMBOLS | _ORDINARY).items():
            if prefix not in "dc" or symbol in _ORDINARY:
                found |= {prefix + symbol: prefix + symbol} | {long + name: prefix + symbol for name in names.split()}
    return found | {"L": "l", "mL": "ml", "µL": "µl", "dL": "dl"}


_SPECIAL = _special()
# In what they are made of, so that newtons are kilograms times metres per square second.
_MADE_OF = {
    "N": {"kg": 1, "m": 1, "s": -2},
    "J": {"kg": 1, "m": 2, "s": -2},
    "W": {"kg": 1, "m": 2, "s": -3},
    "Pa": {"kg": 1, "m": -1, "s": -2},
    "C": {"A": 1, "s": 1},
    "V": {"kg": 1, "m": 2, "s": -3, "A": -1},
    "Ω": {"kg": 1, "m": 2, "s": -3, "A": -2},
    "T": {"kg": 1, "s": -2, "A": -1},
    "Hz": {"s": -1},
    "mph": {"mi": 1, "h": -1},
}
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
# Words that make a sentence of what would else be a unit.
_NO_UNIT = {"or", "and", "if", "not", "is", "are", "except", "but", "mod", "base", "when", "for", "else", "choose"}
# And of what would be a quantity.
_NO_UNIT |= {"plus", "minus", "times", "squared", "cubed", "dozen", "half", "halves", "thirds", "percent", "over"}
_NO_UNIT |= {"factorial", "less", "yes", "always"}
# Letters that are mathematics even when set upright.
_LETTERS = {"e", "i", "d", "x", "y", "z", "n", "k", "t"}

# Nor are words that may be products of variables, or name functions and numbers.
_VARIABLES = set("abcdkmnpqruvwxyz")
_FUNCTIONS = {"sinh", "cosh", "tanh", "sqrt", "frac", "times", "over", "theta", "alpha", "beta", "gamma", "sigma"}
_FUNCTIONS |= {"infty", "cdot", "arcsin", "arccos", "arctan"}

_TEXT = re.compile(r"\\text\s?\{([^{}\\]{1,64})\}\s?(?:\^\s?\{?\s?(\d)\s?\}?)?$")
# More than one, so that no other word is taken for a thing.
_COUNTED = re.compile(r"(?<=\d )([a-z]{3,15}s)$")
_PLAIN = re.compile(r"(?<=[\d}\s)])([A-Za-z]{2,16})\s?(?:\^\s?\{?\s?(\d)\s?\}?)?$")
_AFTER = re.compile(r"(?<=[\d}\s)])(?:\\text\s?\{\s?)?([¢€£])(?:\s?\})?$")
_DEGREES = re.compile(r"\^\\circ\s?(?:\\text\s?\{\s?)?([CFK]?)(?:\s?\})?$")
_CURRENCY = re.compile(r"^(-?)\s?(\\\$|€|£|\\pounds(?![A-Za-z])|\\text\s?\{\s?\\\$\s?\})\s?")
# The degrees of its angle belong to a function, not to its value: no sum and no bracket ends it before them.
_ANGLE = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])[^=+,;<>]{1,48}$")
_BEFORE = re.compile(r"[\dA-Za-z})!]\s?$")
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_MAX_COMPOUND = 96
_POWER = r"(?:\s?\^\s?(?:\{\s?-?\d\s?\}|-?\d))"
_UPRIGHT = (
    r"\\text\s?\{(?:[^{}\\^]|\^\s?(?:\{\s?-?\d\s?\}|-?\d)|\\(?:mu|Omega|cdot|times)(?![A-Za-z])|\\[ ,;]){1,64}\}"
    + _POWER
    + "?"
)
_SIGN = r"\\(?:mu|Omega|cdot|times)(?![A-Za-z])" + _POWER + "?|[µΩμ*·/()]"
_ITALIC = rf"[A-Za-z]{{1,16}}{_POWER}?"
# All upright, or all as it is typed; a letter beside an upright unit is a quantity.
_COMPOUNDS = (
    re.compile(rf"(?:(?:{_UPRIGHT}|{_SIGN}|\\frac\s?\{{\s?{_UPRIGHT}\s?\}}\s?\{{\s?{_UPRIGHT}\s?\}})\s?){{1,8}}$"),
    re.compile(rf"(?:\\mu\s?(?:[A-Za-z]|\\text\s?\{{\s?[A-Za-z]{{1,3}}\s?\}}){_POWER}?)$"),
    re.compile(
        rf"(?:(?<=\d\s){_ITALIC}(?:\s?(?:/|\\cdot(?![A-Za-z]))\s?{_ITALIC}){{1,3}}|(?<=\d\s){_ITALIC}(?:\s{_ITALIC}){{0,3}}"
        rf"|\\frac\s?\{{\s?{_ITALIC}\s?\}}\s?\{{\s?{_ITALIC}\s?\}})$"
    ),
)
_STARTS = re.compile(r"(?<=[\dA-Za-z})!])\s?(?=[\\A-Za-zµΩμ])|(?<=[\dA-Za-z})!]\s)(?=[\\A-Za-zµΩμ])")
_FACTOR = re.compile(r"([^\d^/()]+?)\s?(?:\^?\s?(-?\d))?")
_PRIMES = re.compile(r"(-?[\d.]{1,32})\s?(?:\^\s?\{?\s?((?:\\prime\s?){1,2})\}?|('{1,2}))$")
_PRIME_UNITS = {"'": {"ft", "min", "'"}, "''": {"in", "s", "''"}}


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
    if primes := _PRIMES.fullmatch(latex):
        return primes[1], "'" * (primes[2] or primes[3]).count("\\" if primes[2] else "'")
    after = _AFTER.search(latex)
    if after and latex[: after.start()].strip():
        return latex[: after.start()].strip(), after[1]
    degrees = _DEGREES.search(latex)
    if degrees and not _ANGLE.search(latex[: degrees.start()]) and _BEFORE.search(latex[: degrees.start()]):
        return latex[: degrees.start()].strip(), "°" + degrees[1]
    return _without_compound(latex) or _without_text(latex)


def differ(unit: str, other: str) -> bool:
    """Whether both are there, known, and not the same; ``%`` is known."""
    for one, another in ((unit, other), (other, unit)):
        if one in _PRIME_UNITS and another:
            return another not in _PRIME_UNITS[one]
    if not (unit and other) or unit == other or not all(one == "%" or _is_known(one) for one in (unit, other)):
        return False
    return "%" in (unit, other) or "°" in unit + other or _basic(_powers(unit)) != _basic(_powers(other))


def is_more_than_nothing(unit: str) -> bool:
    """Whether a unit that the ground truth lacks says something else: 5' is no 5."""
    return unit in _PRIME_UNITS


def without_declared(latex: str, unit: str) -> str:
    """The quantity before a unit that is set as a variable: ``5N`` where newtons are asked for; all without one."""
    match = re.fullmatch(r"(.{0,512}\d)\s?([^\d]{1,16}(?:\^.{1,4})?)", latex)
    return match[1] if match and _is_known(unit) and unit_named(match[2]) == unit else latex


def unit_named(text: str) -> str:
    r"""The one name of a unit given by itself: ``$cm^2$``, ``minutes``, ``%``, ``^{\circ}``; as written if unknown."""
    compound = _compound(text.strip("$ ").replace("~", " ").replace("\\mathrm", "\\text"))
    if compound:
        return compound
    text = text.strip("$ ").replace("\\text", "").replace("\\mathrm", "").replace("{", "").replace("}", "").strip()
    if text in ("%", "\\%", "percent"):
        return "%"
    if text in ("^\\circ", "\\circ", "°"):
        return "°"
    match = re.fullmatch(r"([^^]*)\^\s?(\d)", text)
    return _named(match[1], match[2]) if match else _named(text, None)


def _without_compound(latex: str) -> tuple[str, str] | None:
    tail = max(0, len(latex) - _MAX_COMPOUND)
    for start in _STARTS.finditer(latex, tail):
        for place, pattern in enumerate(_COMPOUNDS):
            match = pattern.match(latex, start.end())
            if match is None or (place > 0 and not latex[start.start() - 1].isdigit()):
                continue
            if place == 2 and not _is_typed_unit(match[0]):
                continue
            if unit := _compound(match[0]):
                return latex[: start.start()].strip(), unit
    return None


def _is_typed_unit(text: str) -> bool:
    # "3 m" is three times m; "3 Hz", "3 m/s" and "3 m s^{-1}" are not.
    if "/" in text or "\\frac" in text or "-" in text:
        return True
    return " " not in text and len(re.sub(r"[^A-Za-z]", "", text)) > 1


def _compound(text: str) -> str:
    r"""``m/s^2`` for ``\text{m s}^{-2}`` and all its other spellings; empty where any part is no known unit."""
    text = re.sub(r"\\frac\s?\{(.{1,80}?)\}\s?\{(?=\s?(?:\\text|[A-Za-z]))(.{1,80})\}$", r"\1/\2", text)
    text = re.sub(r"\\(?:cdot|times)(?![A-Za-z])|\\[ ,;]|[*·~]", " ", text)
    text = re.sub(r"\s?\\text\s?\{((?:[^{}]|\{[^{}]{0,8}\}){0,64})\}", r" \1", text)
    text = re.sub(r"\s?(?:\\mu(?![A-Za-z])|[µμ])\s?", " µ", text)
    text = re.sub(r"(?<![kM])\s?\\Omega(?![A-Za-z])|\\Omega(?![A-Za-z])", "Ω", text).replace("\N{OHM SIGN}", "Ω")
    text = re.sub(r"\s?\^\s?", "^", re.sub(r"(?<![a-zA-Z])per (?=[a-zA-Z])", "/", re.sub(r"[{}]", "", text)))
    return _spelled(_powers(" ".join(text.split())))


def _powers(text: str) -> dict[str, int] | None:
    found: dict[str, int] = {}
    text = text.replace("*", " ")
    sign = 1
    for token in re.findall(r"[/()]|[^/()\s]+", re.sub(r"\b(square|sq|cubic|cu) (?=[A-Za-z])", r"\1_", text)):
        if token == "/":
            # What follows is all below it: J/kg K is J/(kg K).
            sign = -1
        elif token not in "()":
            scale, _, name = token.rpartition("_")
            match = _FACTOR.fullmatch(name)
            unit = _symbol(match[1]) if match else ""
            if match is None or not unit:
                return None
            found[unit] = found.get(unit, 0) + sign * int(match[2] or _POWERS.get(scale, 1))
    return {unit: power for unit, power in found.items() if power}


def _basic(powers: dict[str, int] | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for unit, power in (powers or {}).items():
        for base, times in _MADE_OF.get(unit, {unit: 1}).items():
            found[base] = found.get(base, 0) + times * power
    return {unit: power for unit, power in found.items() if power}


def _spelled(powers: dict[str, int] | None) -> str:
    if not powers:
        return ""
    over, under = (
        "*".join(
            unit + (f"^{abs(power)}" if abs(power) > 1 else "")
            for unit, power in sorted(powers.items())
            if power * sign > 0
        )
        for sign in (1, -1)
    )
    return (over or "1") + "".join(f"/{unit}" for unit in under.split("*") if unit)


def _symbol(text: str) -> str:
    if text in _SPECIAL:
        return _SPECIAL[text]
    if len(text) == 1 and text.isupper():
        return ""
    name = text.lower().rstrip(".")
    return next(
        (
            names[stem]
            for stem in (name, name.removesuffix("s"))
            for names in (_NAMES, _SPECIAL)
            # Symbols have their case, and only words a plural.
            if stem in names and (names is _NAMES or len(stem) > 2) and (len(stem) > 1 or stem == name)
        ),
        "",
    )


def _without_text(latex: str) -> tuple[str, str]:
    match = _TEXT.search(latex) or _PLAIN.search(latex)
    if match is None or not _BEFORE.search(latex[: match.start()]) or re.fullmatch(r"\s?[A-Z]\s?", match[1]):
        return latex, ""
    quantity, words = latex[: match.start()].strip(), match[1].strip().lower().rstrip(".")
    is_text = match.re is _TEXT
    if words in _SCALES and match[2] is None:
        return rf"{quantity} \cdot 10^{{{_SCALES[words]}}}", ""
    scale = words.split(" ")[0]
    if scale in _SCALES:
        quantity, words = rf"{quantity} \cdot 10^{{{_SCALES[scale]}}}", words.partition(" ")[2]
    unit = _named(words, match[2])
    if is_text and _is_unit(words):
        return quantity, unit
    is_word = _COUNTED.search(latex) and not set(words) <= _VARIABLES and words not in _FUNCTIONS | _NO_UNIT
    return (quantity, unit) if unit.partition("^")[0] in _KNOWN or is_word else (latex, "")


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
    # A plural has more letters: ms is no m.
    stem = name if name in _NAMES or len(name) < 3 else name.removesuffix("s")
    unit = _NAMES.get(stem, stem)
    return unit if exponent == 1 else f"{unit}^{exponent}"


def _is_known(unit: str) -> bool:
    return unit.startswith("°") or bool(_powers(unit.removeprefix("1")))
