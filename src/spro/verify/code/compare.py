"""Is what a program gave equal to what was expected? Pure functions, in the trainer, on bytes and plain data alone.

What a program gave is never asked anything: only its exact built-in types are looked at, so no method of its own runs.
"""

import math
import re

FLOAT_TOLERANCE = 1e-6

# Each alternative begins differently, so nothing here can backtrack; ``float`` alone takes 1_0, nan and Arabic digits.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MAX_DECIMAL_LENGTH = 400


def same_output(stdout: bytes, gold: str) -> bool:
    """Whether standard output is the expected one.

    Lines are compared in order, and in each its words in order; white space at the ends of lines, its amount between
    words and blank lines do not count. A word must be spelled as expected, unless the expected one is a decimal
    fraction (``0.5``, ``3.00``, ``1e-3``): then a number that is close will do, see ``close_to``. Output that is no
    UTF-8 equals nothing.
    """
    try:
        text = stdout.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if text == gold:
        return True
    lines, gold_lines = _lines(text), _lines(gold)
    if len(lines) != len(gold_lines):
        return False
    return all(_same_line(line, gold_line) for line, gold_line in zip(lines, gold_lines, strict=True))


def _lines(text: str) -> list[str]:
    # Not splitlines(), which also splits at form feeds and the separators of Unicode.
    return [line for line in map(str.strip, text.split("\n")) if line]


def _same_line(line: str, gold: str) -> bool:
    if line == gold:
        return True
    words, gold_words = line.split(), gold.split()
    if len(words) != len(gold_words):
        return False
    return all(_same_word(word, gold_word) for word, gold_word in zip(words, gold_words, strict=True))


def _same_word(word: str, gold: str) -> bool:
    if word == gold:
        return True
    if not any(mark in gold for mark in ".eE") or not (_is_decimal(gold) and _is_decimal(word)):
        return False
    return close_to(float(word), float(gold))


def _is_decimal(word: str) -> bool:
    return len(word) <= _MAX_DECIMAL_LENGTH and _DECIMAL.fullmatch(word) is not None


def close_to(number: float, gold: float) -> bool:
    """Whether a number is within 1e-6 of the expected float, absolute or relative; NaN is close to NaN.

    A float that is a whole number (``3.0``, ``1e15``) is met within 1e-6 absolute only, for a millionth of a large
    count is no rounding error; from 2**53 on every float is whole, and that says nothing.
    """
    if math.isnan(gold):
        return math.isnan(number)
    try:
        relative = 0.0 if gold.is_integer() and abs(gold) < 2**53 else FLOAT_TOLERANCE
        return number == gold or math.isclose(number, gold, rel_tol=relative, abs_tol=FLOAT_TOLERANCE)
    except OverflowError:  # an integer beyond every float
        return False


def same_value(value: object, gold: object) -> bool:
    """Whether a function returned what was expected; both plain data as ``Value`` says.

    - A list equals a tuple of the same elements, at any depth: JSON cannot say tuple.
    - Numbers are equal as in Python (1, 1.0 and True), but an expected float is met by what is ``close_to`` it.
    - Keys of dictionaries are equal when JSON would write them equally (``1`` and ``"1"``), and their order is free.
    - A set equals a set or frozenset of equal elements, and never a list: whoever expects a list expects an order.
    - Text equals text only, exactly; bytes likewise.

    Linear in the smaller of the two, at any depth.
    """
    pending = [(value, gold)]
    while pending:
        value, gold = pending.pop()
        if isinstance(gold, list | tuple):
            if type(value) not in (list, tuple) or len(value) != len(gold):  # type: ignore[arg-type]
                return False
            pending += zip(value, gold, strict=True)  # type: ignore[call-overload]
        elif isinstance(gold, dict):
            pairs = _paired(value, gold)
            if pairs is None:
                return False
            pending += pairs
        elif not _same_leaf(value, gold):
            return False
    return True


def _paired(value: object, gold: dict[object, object]) -> list[tuple[object, object]] | None:
    """What stands under equal keys; ``None`` when the keys are not the same."""
    if type(value) is not dict or len(value) != len(gold):
        return None
    try:
        if value.keys() == gold.keys():
            return [(value[key], item) for key, item in gold.items()]
        by_key = {_json_key(key): item for key, item in value.items()}
        gold_by_key = {_json_key(key): item for key, item in gold.items()}
    except RecursionError:  # a key may be a tuple of tuples of tuples
        return None
    # Shorter than before, when 1 and "1" are both keys: nobody can tell which is meant.
    if len(by_key) != len(value) or by_key.keys() != gold_by_key.keys():
        return None
    return [(by_key[key], item) for key, item in gold_by_key.items()]


def _json_key(key: object) -> object:
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    if isinstance(key, int):
        # Not str(): Python refuses to write integers of over 4300 digits.
        return str(key) if key.bit_length() <= 1024 else key
    return repr(key) if isinstance(key, float) else key


def _same_leaf(value: object, gold: object) -> bool:
    kind = type(value)
    if isinstance(gold, str | bytes):
        return kind is type(gold) and value == gold
    if isinstance(gold, set | frozenset):
        try:
            return kind in (set, frozenset) and value == gold
        except RecursionError:
            return False
    if gold is None:
        return value is None
    if isinstance(gold, complex):
        return _same_complex(value, gold)
    if kind not in (bool, int, float):
        return False
    if isinstance(gold, float):
        return close_to(value, gold)  # type: ignore[arg-type]
    return value == gold


def _same_complex(value: object, gold: complex) -> bool:
    if not isinstance(value, int | float | complex) or type(value) not in (bool, int, float, complex):
        return False
    return close_to(value.real, gold.real) and close_to(value.imag, gold.imag)
