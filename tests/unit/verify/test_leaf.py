import pytest

from spro.verify.math.latex import plain_latex
from spro.verify.math.leaf import Likeness, likeness, read_leaf, with_unit, without_heads
from spro.verify.math.units import unit_named


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (r"\text{Evelyn}", "evelyn"),
        ("Evelyn", "evelyn"),
        (r"\text{No solution}", "no solution"),
        (r"\text{May }5", "may 5"),
        ("May 5", "may 5"),
        ("No", "no"),
        ("cat", "cat"),
        ("ABC", "ABC"),
        (r"\text{ABC}", "abc"),
        ("xyz", ""),
        ("AB", ""),
        ("5", ""),
        (r"5 \text{ cm}", ""),
        ("45 minutes", ""),
        ("y = x", ""),
    ],
)
def test_word(text, word):
    assert read_leaf(plain_latex(text)).word == word


@pytest.mark.parametrize(
    ("text", "choice", "is_marked"),
    [("C", "C", False), ("(C)", "C", True), (r"\text{C}", "C", True), (r"\textbf{(C)}", "C", True), ("CD", "", False)],
)
def test_choice(text, choice, is_marked):
    leaf = read_leaf(plain_latex(text))
    assert (leaf.choice, leaf.is_marked) == (choice, is_marked)


def test_percentage_is_its_value():
    assert read_leaf(r"50\%").value == r"\frac{50}{100}"
    assert read_leaf(r"50 \text{ percent}").is_percent
    assert with_unit(read_leaf(r"50\%"), "%").value == "50"


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("5", "5", Likeness.SAME),
        ("5", "05", Likeness.UNDECIDED),
        ("5", "six", Likeness.OTHER),
        (r"\text{six}", "6", Likeness.OTHER),
        ("(C)", "c", Likeness.SAME),
        ("C", "c", Likeness.OTHER),
        ("x", "2x/2", Likeness.UNDECIDED),
        ("(C)", "5", Likeness.OTHER),
        ("10:30", "10:30", Likeness.SAME),
        ("10:30", "10:3", Likeness.OTHER),
        ("9", r"9\%", Likeness.UNDECIDED),
        (r"9\%", r"9 \%", Likeness.SAME),
        ("5", r"\sum 5", Likeness.OTHER),
    ],
)
def test_likeness(gold, answer, expected):
    assert likeness(read_leaf(plain_latex(gold)), read_leaf(plain_latex(answer)))[0] is expected


@pytest.mark.parametrize(
    ("unit", "answer", "refused"),
    [
        ("%", r"4.2 \text{ km}", "it is in km and not in %"),
        ("%", r"4.2^\circ", "it is in ° and not in %"),
        ("%", r"4.2\%", ""),
        ("%", "4.2", ""),
        ("%", r"4.2 \text{ of all}", ""),
        ("kg", r"4.2\%", "it is in % and not in kg"),
        ("kg", r"420\%", "it is in % and not in kg"),
        ("", r"420\%", ""),
    ],
)
def test_a_percent_sign_is_held_against_other_units(unit, answer, refused):
    gold = with_unit(read_leaf("4.2"), unit_named(unit))
    assert likeness(gold, read_leaf(plain_latex(answer)))[1] == refused


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        (r"[1,2]", r"x \in [1,2]", ("[1,2]", "[1,2]")),
        (r"x \in [1,2]", "[1,2]", ("[1,2]", "[1,2]")),
        (r"x \in [1,2]", r"x \in [1,3]", ("[1,2]", "[1,3]")),
        (r"x \in [1,2]", r"y \in [1,3]", (r"x \in [1,2]", r"y \in [1,3]")),
        ("(1,2)", "(x,y) = (1,2)", ("(1,2)", "(1,2)")),
        ("5", "x = 5", ("5", "x = 5")),
    ],
)
def test_heads(gold, answer, expected):
    assert without_heads(gold, answer) == expected
