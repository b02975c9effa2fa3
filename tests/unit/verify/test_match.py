import pytest

from spro.verify.math.match import MAX_UNLIKE, match
from spro.verify.math.parts import read_parts


def same(gold, answer, are_equal=str.__eq__):
    parts = read_parts(gold)
    return match(parts, read_parts(answer, len(parts.parts)), are_equal)


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("1,2", "2,1", True),
        ("1,2", "1,2,2", False),
        ("1,1,2", "1,2,2", False),
        ("1,2", r"\{2,1\}", True),
        (r"\{1,2\}", "2,1", True),
        ("5", r"\{5\}", True),
        ("5", r"\{5,5\}", False),
        ("1,2", "(1,2)", True),
        ("1,2", "(2,1)", False),
        ("(1,2)", "1,2", True),
        ("(1,2)", "2,1", False),
        ("[1,2]", "1,2", False),
        ("(1,2)", r"\{1,2\}", False),
        (r"\{1,2\}", "(1,2)", False),
        ("(1,2)", "[1,2]", False),
        ("(1,2,3)", "[1,2,3]", True),
        ("(1,2), (3,4)", "(3,4), (1,2)", True),
        ("(1,2), (3,4)", "(1,2), (4,3)", False),
        (r"\{(1,2)\}", "(1,2)", True),
    ],
)
def test_groups(gold, answer, expected):
    assert same(gold, answer) is expected


def test_first_fit_is_not_the_last_word():
    # a is like x and y, b like x only.
    likes = {("a", "x"), ("a", "y"), ("b", "x")}
    assert same("a,b", "x,y", lambda one, other: (one, other) in likes)


def test_longest_lists():
    many = ",".join(f"a{n}" for n in range(300))
    assert same(many, ",".join(reversed(many.split(","))))
    others = ",".join(f"b{n}" for n in range(300))
    assert not same(many, others, lambda one, other: True), f"over {MAX_UNLIKE} are not compared"


def test_each_pair_is_compared_once():
    seen = []
    same("1,2,3,4", "5,6,7,8", lambda one, other: bool(seen.append((one, other))))
    assert len(seen) == len(set(seen)) <= 16


def test_errors_pass():
    def fail(one, other):
        raise LookupError

    with pytest.raises(LookupError):
        same("1", "2", fail)
