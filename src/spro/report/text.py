"""The only door from data to markup.

Everything on the page passes ``safe`` or ``tag``. A response is whatever a model wrote, so characters that would act
instead of show (controls, bidi overrides, zero-width marks, lone surrogates) are spelled out: they can neither break
the file's encoding nor reorder the line that a reader trusts.
"""

import html
import math
import re
import unicodedata

MINUS = "\u2212"
NBSP = "\u00a0"
ARROW = "\u2192"
DOT = f"{NBSP}\u00b7 "

_UNUSUAL = re.compile(r"[^\x20-\x7e\n\t]")
_ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: object) -> str:
    """Text for an element or a quoted attribute; newlines and tabs stay."""
    return html.escape(_UNUSUAL.sub(_spell, str(text)))


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


def short(value: float) -> str:
    """A number for the eye: three significant digits, thousands apart, a true minus."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e15:
        return format(value, ".2e").replace("-", MINUS)
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return format(value, f",.{decimals}f").replace("-", MINUS)


def signed(value: float) -> str:
    """As ``short``, with a sign in any case."""
    return f"+{short(value)}" if value > 0 else short(value)


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
