"""The only door from data to markup.

Everything on the page passes ``safe`` or ``tag``. A response is whatever a model wrote, so characters that would act
instead of show (controls, bidi overrides, zero-width marks, lone surrogates) are spelled out: they can neither break
the file's encoding nor reorder the line that a reader trusts.
"""

import html
import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

MINUS = "\u2212"
NBSP = "\u00a0"
ARROW = "\u2192"
DOT = f"{NBSP}\u00b7 "

_UNUSUAL = re.compile(r"[^\x20-\x7e\n\t]")
_ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: object) -> str:
    """Text for an element or a quoted attribute; newlines and tabs stay."""
    return html.escape(visible(str(text)))


def visible(text: str) -> str:
    """Text in which nothing acts and nothing hides, for what is no markup."""
    return _UNUSUAL.sub(_spell, text)


def _spell(found: re.Match[str]) -> str:
    character = found[0]
    return f"\u27e8U+{ord(character):04X}\u27e9" if unicodedata.category(character) in _ACTING else character


def tag(name: str, content: str = "", **attributes: str | float | bool | None) -> str:
    """An element around ``content``, which is markup already.

    Args:
        name: the element.
        content: finished markup; pass text through ``safe`` first.
        **attributes: any values, escaped here. ``class_`` is class, ``data_look`` is data-look; None and False are left
            out, True stands alone.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        parts.append(attribute if value is True else f'{attribute}="{safe(value)}"')
    return f"<{' '.join(parts)}>{content}</{name}>"


def exact(value: float | None) -> str:
    """A number for tables and scripts: six significant digits, plain ASCII."""
    return "" if value is None else format(value, ".6g")


def precise(value: float) -> str:
    """A place for tables and scripts: twelve significant digits, whole numbers in full."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else format(value, ".12g")


def shortest(value: float) -> str:
    """A number for files: the shortest that reads back the same."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def short(value: float) -> str:
    """A number for the eye: three significant digits, thousands apart, a true minus."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e15:
        return format(value, ".2e").replace("-", MINUS)
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return format(value, f",.{decimals}f").replace("-", MINUS)


def tick_text(tick: float, ticks: Sequence[float]) -> str:
    """A number beside an axis, in the unit that suits all of the axis: ``2k``, ``12M``, ``1.5B``, ``2e15``."""
    gap = min((after - before for before, after in pairwise(ticks)), default=abs(tick))
    largest = max(map(abs, ticks))
    if abs(tick) <= gap * 1e-6:
        return "0"
    if largest >= 1e12 or gap < 1e-4:
        return _with_power(tick, largest, gap)
    for size, unit, finest in ((1e9, "B", 1e8), (1e6, "M", 1e5), (1e3, "k", 1e3)):
        if largest >= size and gap >= finest and _is_round(ticks, size / 10):
            return f"{tick / size:,.7g}{unit}".replace("-", MINUS)
    plain = format(tick, ",.6g").replace("-", MINUS)
    return _with_power(tick, largest, gap) if "e" in plain else plain


def _with_power(tick: float, largest: float, gap: float) -> str:
    decimals = max(2, math.floor(math.log10(largest)) - math.floor(math.log10(gap)) + 1)
    digits, _, power = format(tick, f".{decimals}e").partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}".replace("-", MINUS)


def _is_round(ticks: Sequence[float], size: float) -> bool:
    return all(math.isclose(tick / size, round(tick / size), abs_tol=1e-6) for tick in ticks)


def place_text(place: float) -> str:
    """Where a point stands, for the eye: ``1,200``, ``12.35``, ``1.5e15``. ``page.js`` computes the same."""
    if place == 0 or 1e-4 <= abs(place) < 1e12:
        digits = 4 if place == 0 else max(0, 3 - math.floor(math.log10(abs(place))))
        text = format(place, f",.{0 if place == round(place) else digits}f")
        return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)
    return tick_text(place, (place,))


def signed(value: float) -> str:
    """As ``short``, with a sign in any case."""
    return f"+{short(value)}" if value > 0 else short(value)


def one_line(text: str) -> str:
    """Text whose line breaks and tabs are seen and break nothing."""
    return text.replace("\r", "\u240d").replace("\n", "\u23ce").replace("\t", "\u21e5")


def listed(names: Sequence[str]) -> str:
    """At least one name: ``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def percent(share: float) -> str:
    """A share in percent with one decimal."""
    return f"{100 * share:.1f}{NBSP}%".replace("-", MINUS)


def duration(seconds: float) -> str:
    """A time span in its two leading units."""
    whole = round(seconds)
    if whole < 60:
        return f"{short(seconds)}{NBSP}s"
    for size, unit, below, minor in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size}{NBSP}{unit} {whole % size // below}{NBSP}{minor}"
    raise AssertionError(seconds)
