import enum
import json
import math
import time
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.verify.sandbox import Opaque
from spro.verify.sandbox.values import decode, encode

hashables = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters(codec=None))
    | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)
values = st.recursive(
    hashables,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.sets(hashables, max_size=4)
        | st.dictionaries(hashables, inner, max_size=4)
    ),
    max_leaves=12,
)


def kind(value):
    return type(value).__name__


def same(a, b):
    """Equal, of the same types all the way down, and in the same order where there is one."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(*pair) for pair in zip(a.items(), b.items(), strict=True))
    if isinstance(a, set | frozenset):
        return a == b and sorted(map(repr, map(type, a))) == sorted(map(repr, map(type, b)))
    return a == b if isinstance(a, int) else repr(a) == repr(b)


@given(values)
def test_round_trip(value):
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize(
    "value",
    [
        (),
        [],
        {},
        set(),
        "",
        b"",
        -0.0,
        math.inf,
        -math.inf,
        complex(-0.0, math.inf),
        2**53,
        -(2**53),
        10**5000,
        -(10**5000),
        "\ud83d\ude00",
        "\U0001f600",
        "\ud800",
        "\0\n\u2028",
        {1: "a", (1, 2): {3}, "1": None, True is False: 0},
        [True, 1, 1.0],
        {"int": "ff"},
        {"opaque": "x"},
    ],
    ids=kind,
)
def test_round_trip_of_odd_ones(value):
    assert same(decode(encode(value)), value)


def test_nan():
    value = decode(encode([math.nan]))
    assert isinstance(value, list)
    assert math.isnan(value[0])


class Liar(int):
    def __eq__(self, other):
        return True

    def __int__(self):
        return 7

    def __index__(self):
        return 7

    def __add__(self, other):
        return 7

    def __pos__(self):
        return 7

    def __format__(self, spec):
        return "7"

    def __repr__(self):
        return "7"

    __hash__ = int.__hash__


class Text(str):
    def __str__(self):
        return "lie"

    def encode(self, *_):
        return b"lie"

    def isascii(self):
        return False


class Items(list):
    def __iter__(self):
        return iter(["lie"])

    def __len__(self):
        return 99


class Mapping(dict):
    def items(self):
        return [("lie", 1)]


class Fraction(float):
    def __pos__(self):
        return 7.0

    def __repr__(self):
        return "7.0"


class Color(enum.IntEnum):
    RED = 3


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Liar(3), 3),
        (Liar(2**80), 2**80),
        (Text("truth"), "truth"),
        (Items([1, 2]), [1, 2]),
        (Mapping(a=1), {"a": 1}),
        (Fraction(0.5), 0.5),
        (Color.RED, 3),
        (Point(1, 2), (1, 2)),
        (Counter("aa"), {"a": 2}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (type("S", (set,), {})({1}), {1}),
        (type("B", (bytes,), {})(b"x"), b"x"),
        (type("C", (complex,), {})(1, 2), 1 + 2j),
    ],
    ids=kind,
)
def test_subclasses_become_their_base(value, plain):
    assert same(decode(encode(value)), plain)


class Impostor:
    __class__ = int

    def __eq__(self, other):
        return True

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    "value", [object(), Impostor(), deque([1]), range(3), len, int, iter(()), bytearray(b"x")], ids=kind
)
def test_anything_else_equals_nothing(value):
    [decoded] = decode(encode([value]))
    assert isinstance(decoded, Opaque)
    assert decoded != value
    assert decoded != decoded
    assert decoded not in ({}, 1, "x", None)


def test_cycles_and_depth():
    cycle: list = []
    cycle.append(cycle)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert isinstance(decode(encode(cycle)), Opaque)
    assert isinstance(decode(encode(deep)), Opaque)


def test_what_is_odd_may_be_refused():
    def refuse(value):
        raise TypeError("odd")

    with pytest.raises(TypeError, match="odd"):
        encode([object()], refuse)


def collisions():
    modulus = 2**61 - 1
    return {"set": [{"int": format(i * modulus, "x")} for i in range(1, 20_000)]}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"1" * 5000,
        b'{"set":[[]]}',
        b'{"dict":[1]}',
        b'{"dict":[[],1]}',
        b'{"unknown":1}',
        b'{"set":1}',
        b'{"int":1}',
        b'{"int":"x"}',
        b'{"str":"zz"}',
        b'{"bytes":"zz"}',
        b'{"complex":[1,2,3]}',
        b'{"opaque":1}',
        b'{"opaque":["x"]}',
        b"{}",
        b'{"set":[],"tuple":[]}',
        json.dumps(collisions()).encode(),
    ],
    ids=lambda text: text[:12].decode("latin-1"),
)
def test_text_of_a_hostile_program(text):
    began = time.thread_time()
    with pytest.raises(ValueError, match="value"):
        decode(text)
    assert time.thread_time() - began < 5.0
