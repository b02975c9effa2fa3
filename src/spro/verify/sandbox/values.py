"""Plain data as text that keeps types apart: arguments on their way into a sandbox, results on their way out.

One copy serves both sides: its text is part of what the driver is sent as. Only the standard library is imported.
"""

import json
from collections.abc import Callable
from typing import Any

_SAME_HASH = 64
_PLAIN_INT = 2**53


class Opaque:
    """Stands for a value that is no plain data; equal to nothing, itself included."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__


def _mark(value: object) -> object:
    return {"opaque": type(value).__name__[:80]}


def encode(value: object, odd: Callable[[object], object] = _mark) -> bytes:
    """Plain data as JSON that keeps types apart; subclasses become their base.

    Args:
        value: anything; cycles included, which become opaque as a whole.
        odd: what to put in the place of a part that is no plain data.
    """
    try:
        return json.dumps(_pack(value, odd), separators=(",", ":")).encode("ascii")
    except RecursionError:
        return json.dumps(odd(value)).encode("ascii")


def decode(text: bytes) -> object:
    """The value that ``encode`` was given; ``Opaque`` where that was no plain data.

    Raises:
        ValueError: no such text, however it came about; the only error.
    """
    try:
        return _unpack(json.loads(text))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"no value: {type(error).__name__}") from None


def _pack(value: Any, odd: Callable[[object], object]) -> object:
    # The true type, and methods of the base: what a subclass says of itself is the program's word.
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    for base, pack in _PACKERS:
        if issubclass(kind, base):
            return pack(value)
    if issubclass(kind, list):
        return [_pack(item, odd) for item in list.__iter__(value)]
    if issubclass(kind, dict):
        return {"dict": [_pack(item, odd) for pair in dict.items(value) for item in pair]}
    for many in (tuple, set, frozenset):
        if issubclass(kind, many):
            return {many.__name__: [_pack(item, odd) for item in many.__iter__(value)]}
    return odd(value)


def _pack_int(value: int) -> object:
    number = int.__pos__(value)
    # JSON's decimals take quadratic time, and the interpreter refuses long ones.
    return number if -_PLAIN_INT < number < _PLAIN_INT else {"int": format(number, "x")}


def _pack_str(value: str) -> object:
    text = str.__str__(value)
    # Two lone surrogates in a row would come out of JSON as one character.
    return text if text.isascii() or text.isprintable() else {"str": text.encode("utf-8", "surrogatepass").hex()}


_PACKERS: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (int, _pack_int),
    (str, _pack_str),
    (float, float.__pos__),
    (bytes, lambda value: {"bytes": bytes.hex(value)}),
    (complex, lambda value: {"complex": [complex.__pos__(value).real, complex.__pos__(value).imag]}),
)


def _unpack(packed: Any) -> object:
    if isinstance(packed, list):
        return [_unpack(item) for item in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, body),) = packed.items()
    if kind in _SCALARS:
        return _SCALARS[kind](body)
    items = [_unpack(item) for item in body]
    if kind == "tuple":
        return tuple(items)
    if kind == "dict":
        _check_hashes(items[::2])
        return dict(zip(items[::2], items[1::2], strict=True))
    _check_hashes(items)
    return {"set": set, "frozenset": frozenset}[kind](items)


_SCALARS: dict[str, Callable[[Any], object]] = {
    "int": lambda body: int(body, 16),
    "str": lambda body: bytes.fromhex(body).decode("utf-8", "surrogatepass"),
    "bytes": bytes.fromhex,
    "complex": lambda body: complex(*body),
    "opaque": lambda body: Opaque(str.__str__(body)),
}


def _check_hashes(items: list[object]) -> None:
    # A set of numbers chosen to have one hash takes quadratic time to build, and the trainer builds it.
    hashes = sorted(hash(item) for item in items)
    if any(a == b for a, b in zip(hashes, hashes[_SAME_HASH:], strict=False)):
        raise ValueError("too many items of one hash")
