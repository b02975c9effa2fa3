"""A value in a few characters, for the detail of a verdict; never longer, whatever the value."""

from spro.verify.sandbox import Opaque

_MAX_CHARACTERS = 40


def glimpse_of(value: object) -> str:
    """The beginning of text and of bytes that may be text, small numbers, and of the rest only the kind."""
    if isinstance(value, bytes):
        value = value[: 4 * _MAX_CHARACTERS + 4].decode("utf-8", errors="replace")
    if isinstance(value, str):
        text = value.strip()
        return repr(text) if len(text) <= _MAX_CHARACTERS else repr(text[:_MAX_CHARACTERS]) + "..."
    # Python refuses to write integers of over 4300 digits.
    is_short = value is None or isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= 64)
    return repr(value) if is_short else kind_of(value)


def kind_of(value: object) -> str:
    """What kind of value it is, and how long."""
    if isinstance(value, Opaque):
        return f"an object of class {value.name!r}"
    if isinstance(value, str | bytes):
        unit = "characters" if isinstance(value, str) else "bytes"
        return f"a string of {len(value)} {unit}"
    if isinstance(value, list | tuple | set | frozenset | dict):
        return f"a {type(value).__name__} of {len(value)}"
    article = "an" if isinstance(value, int) and not isinstance(value, bool) else "a"
    return "None" if value is None else f"{article} {type(value).__name__}"
