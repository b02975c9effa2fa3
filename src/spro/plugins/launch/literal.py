"""Values as Hydra's command line reads them."""

import re
from collections.abc import Sequence
from pathlib import Path

Value = bool | int | float | str | Path | None | Sequence[str]

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./:+-]*")
_WORDS = {"true", "false", "null", "nan", "inf"}
"""Which Hydra takes for something else than text."""


def literal(value: Value) -> str:
    """The text of a value, quoted where Hydra would read something else.

    Example:
        >>> literal(["console", "file"]), literal("k3+"), literal("a, b"), literal(True), literal(1e-6)
        ('[console,file]', 'k3+', '"a, b"', 'True', '1e-06')
    """
    match value:
        case None:
            return "null"
        case bool() | int() | float():
            return repr(value)
        case str() | Path():
            return _text(str(value))
        case _:
            return f"[{','.join(literal(item) for item in value)}]"


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    # Only backslashes before a quote are Hydra's own.
    return '"' + re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + ("\\" if m[2] else "") + m[2], text) + '"'
