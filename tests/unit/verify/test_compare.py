"""Equal output and equal values, near misses, and what no value may do to us."""

import math
import time
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spro.verify.code.compare import same_output, same_value

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=5),
    st.binary(max_size=5),
)
keys = st.one_of(st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.tuples(st.integers()))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(st.integers(), max_size=4),
        st.frozensets(st.text(max_size=3), max_size=4),
    ),
    max_leaves=12,
)
words = st.text(alphabet=st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=6)
pages = st.lists(st.lists(words, min_size=1, max_size=4), max_size=5)


@pytest.mark.parametrize(
    ("stdout", "gold"),
    [
        ("3\n", "3"),
        ("3", "3\n"),
        ("3\r\n", "3\n"),
        ("1 2 3 \n", "1 2 3"),
        ("1  2\t3\n", "1 2 3\n"),
        ("\n1\n\n2\n\n", "1\n2\n"),
        ("  1\n", "1"),
        ("", ""),
        ("\n", ""),
        ("0.5", "0.50"),
        (".5", "0.5"),
        ("3", "3.00"),
        ("0.3333333333", "0.33333333"),
        ("1000000.4", "1000000.5"),
        ("1e-3", "0.001"),
        ("-0.0", "0.0"),
        ("-0.0000001", "0.0"),
        ("1.0000001E2", "1.00000010001e2"),
        ("Grüße 😀", "Grüße 😀"),
        ("nan", "nan"),
        ("2 0.1 x", "2 0.10 x"),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_same_output(stdout: str, gold: str) -> None:
    assert same_output(stdout.encode(), gold)


@pytest.mark.parametrize(
    ("stdout", "gold"),
    [
        ("", "3"),
        ("3", ""),
        ("3 3", "3"),
        ("2 1", "1 2"),
        ("1\n2", "1 2"),
        ("1 2", "1\n2"),
        ("2\n1", "1\n2"),
        ("12", "1 2"),
        ("yes", "YES"),
        ("3.0", "3"),
        ("03", "3"),
        ("+3", "3"),
        ("1000000000001", "1000000000000"),
        ("1000000001", "1000000000.0"),
        ("0.50001", "0.5"),
        ("0.6", "0.5"),
        ("nan", "0.5"),
        ("inf", "0.5"),
        ("0_5.0", "5.0"),
        ("\u0665.0", "5.0"),
        ("1e400", "0.5"),
        ("0.5x", "0.5"),
        ("0,5", "0.5"),
        ("x", "e"),
        ("1e5", "1e5e"),
        ("1" * 5000 + ".5", "0.5"),
        ("3\x00", "3"),
    ],
)
def test_other_output(stdout: str, gold: str) -> None:
    assert not same_output(stdout.encode(), gold)


def test_output_that_is_no_text_equals_nothing() -> None:
    assert not same_output(b"\xff", "\ufffd")
    assert not same_output(b"3\n\xff", "3\n\ufffd")
    assert same_output("\ufffd".encode(), "\ufffd")


@pytest.mark.parametrize(
    ("value", "gold"),
    [
        ((1, 2), [1, 2]),
        ([(1, 2), (3,)], [[1, 2], [3]]),
        ([1], (1,)),
        (3, 3.0),
        (3.0, 3),
        (2.9999999999999996, 3.0),
        (0.1 + 0.2, 0.3),
        (1e20 * (1 + 1e-9), 1.5 * 1e20 / 1.5),
        (1000000.4, 1000000.5),
        (True, 1),
        (1, True),
        (0.0, False),
        (math.nan, math.nan),
        (math.inf, math.inf),
        ({1: "a"}, {"1": "a"}),
        ({"1": "a"}, {1: "a"}),
        ({1.0: "a", None: 1}, {"1": "a", "null": 1}),
        ({True: 2}, {"true": 2}),
        ({2.5: 2}, {"2.5": 2}),
        ({(1, 2): [3]}, {(1, 2): (3,)}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2}, {2, 1}),
        (frozenset({1}), {1}),
        ({1}, frozenset({1.0})),
        (b"a", b"a"),
        (-2 + 2.4e-16j, -2 + 0j),
        (-2, -2 + 0j),
        (complex(math.nan, 1), complex(math.nan, 1)),
        ([], ()),
        ({}, {}),
        (None, None),
        ("ä", "ä"),
    ],
)
def test_same_value(value: Any, gold: Any) -> None:
    assert same_value(value, gold)


@pytest.mark.parametrize(
    ("value", "gold"),
    [
        ([2, 1], [1, 2]),
        ([1, 2, 2], [1, 2]),
        ([1], 1),
        (1, [1]),
        ("1", 1),
        (1, "1"),
        ("ab", ["a", "b"]),
        (["a", "b"], "ab"),
        (b"a", "a"),
        ("a", b"a"),
        ("a ", "a"),
        (3, 4),
        (3.0000001, 3),
        (3.00001, 3.0),
        (1e15 + 1, 1e15),
        (0.50001, 0.5),
        (10**400, 0.5),
        (10**400, math.inf),
        (10**400, 0.5j),
        (math.nan, 0.5),
        (0.5, math.nan),
        (math.inf, -math.inf),
        (False, None),
        (None, 0),
        (None, []),
        ("", None),
        ({1: 1, "1": 2}, {"1": 1}),
        ({1: 1, "1": 2}, {"1": 1, "2": 2}),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ([("a", 1)], {"a": 1}),
        ({1, 2}, [1, 2]),
        ([1, 2], {1, 2}),
        ({1}, {1: 1}),
        ({1}, {1, 2}),
        (1j, 0.0),
        ("1", 1j),
        (1, 1j),
    ],
)
def test_other_value(value: Any, gold: Any) -> None:
    assert not same_value(value, gold)


class Yes(int):
    def __eq__(self, other: object) -> bool:
        raise AssertionError("asked")

    __hash__ = int.__hash__


def test_no_method_of_a_value_is_called() -> None:
    for gold in (1, 1.0, "1", [1], None, 1j, {1: 1}, {1}):
        assert not same_value(Yes(1), gold)


def nested(depth: int, kind: Any = list) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = kind([value]) if kind is not dict else {"a": value}
    return value


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_deep_values(kind: Any) -> None:
    deep = nested(50_000, kind)
    assert same_value(deep, nested(50_000, kind))
    assert not same_value(deep, nested(49_999, kind))
    for value in (deep, deep):
        while isinstance(value, list | tuple | dict):  # a chain so long is freed link by link
            value = value["a"] if isinstance(value, dict) else value[0]


def test_integers_that_python_refuses_to_write() -> None:
    huge = 10**5000
    assert same_value(huge, 10**5000)
    assert same_value({huge: 1}, {10**5000: 1})
    assert not same_value(huge, huge + 1)
    assert not same_value({huge: 1, "1": 1}, {huge + 1: 1, 1: 1})


def test_deep_keys() -> None:
    assert not same_value({nested(5_000, tuple): 1}, {nested(4_999, tuple): 1})
    assert not same_value({nested(5_000, frozenset)}, {nested(4_999, frozenset)})


def test_long_input_takes_linear_time() -> None:
    began = time.process_time()
    assert same_value([0.5] * 10**6, [0.5] * 10**6)
    assert not same_output(b"1" * 10**6 + b".", "0." + "1" * 10**6)
    assert not same_output(b"1 " * 250_000, "1.5 " * 250_000)
    assert time.process_time() - began < 10


@given(values)
def test_a_value_equals_itself(value: Any) -> None:
    assert same_value(value, value)


@given(values, values)
def test_never_raises_and_agrees_with_python(value: Any, gold: Any) -> None:
    if value == gold:
        assert same_value(value, gold)
    assert isinstance(same_value(value, gold), bool)


@given(st.lists(st.integers(), min_size=2))
def test_order_of_values_counts(items: list[int]) -> None:
    assume(items != items[::-1])
    assert not same_value(items[::-1], items)


@given(pages)
def test_output_equals_itself_however_it_is_spaced(lines: list[list[str]]) -> None:
    gold = "\n".join(" ".join(line) for line in lines)
    assert same_output(gold.encode(), gold)
    assert same_output("\r\n".join("  ".join(line) + " " for line in lines).encode() + b"\n\n", gold)


@given(st.lists(st.text(alphabet="abc", min_size=1), min_size=2), st.sampled_from(" \n"))
def test_order_of_output_counts(items: list[str], separator: str) -> None:
    assume(items != items[::-1])
    assert not same_output(separator.join(items[::-1]).encode(), separator.join(items))


@given(st.binary(), st.text())
def test_output_never_raises(stdout: bytes, gold: str) -> None:
    assert isinstance(same_output(stdout, gold), bool)
