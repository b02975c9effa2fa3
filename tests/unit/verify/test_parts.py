import pytest

from spro.verify.math.parts import Group, Kind, read_parts


def shape(text, wanted=1):
    def plain(group):
        parts = [plain(part) if isinstance(part, Group) else part for part in group.parts]
        return (str(group.kind) + group.brackets, *parts)

    return plain(read_parts(text, wanted))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", ("list", "5")),
        ("$69$,$84$", ("list", "69", "84")),
        ("1; 2", ("list", "1", "2")),
        ("1,2,", ("list", "1", "2")),
        (r"1 \text{ and } 2", ("list", "1", "2")),
        ("1, 2, and 3", ("list", "1", "2", "3")),
        ("x=1 or x=2", ("list", "x=1", "x=2")),
        ("no solution or two", ("list", "no solution or two")),
        (r"\{1, 2\}", ("set", "1", "2")),
        (r"\{x \mid x > 2, x < 3\}", ("list", r"\{x \mid x > 2, x < 3\}")),
        ("(1, 2)", ("list", ("tuple()", "1", "2"))),
        (r"\left[0, 1\right)", ("list", ("tuple[)", "0", "1"))),
        ("(1,2), (3,4)", ("list", ("tuple()", "1", "2"), ("tuple()", "3", "4"))),
        (r"\{(1,2), (3,4)\}", ("set", ("tuple()", "1", "2"), ("tuple()", "3", "4"))),
        ("(1,2)+(3,4)", ("list", "(1,2)+(3,4)")),
        ("(5)", ("list", "(5)")),
        ("f(x, y)", ("list", "f(x, y)")),
        (r"\langle 1, 2 \rangle", ("list", ("tuple()", "1", "2"))),
        (r"\begin{pmatrix} 1, & 2 \end{pmatrix}", ("list", r"\begin{pmatrix} 1, & 2 \end{pmatrix}")),
        (r"\pm 2", ("list", "2", "- 2")),
        (r"1 \pm \sqrt{2}", ("list", r"1 + \sqrt{2}", r"1 - \sqrt{2}")),
        (r"\pm 1 \pm 2", ("list", "1 + 2", "1 - 2", "- 1 + 2", "- 1 - 2")),
        (r"1 \pm 2 \mp 3", ("list", "1 + 2 - 3", "1 - 2 + 3")),
        ("1,234", ("list", "1234")),
        ("1,234.5", ("list", "1234.5")),
        ("1,23", ("list", "1", "23")),
        (r"\text{A,C}", ("list", "A", "C")),
        ("", ("list", "")),
    ],
)
def test_parts(text, expected):
    assert shape(text) == expected


def test_thousands_agree_with_what_is_wanted():
    assert shape("1,234", wanted=2) == ("list", "1", "234")
    assert shape("100,200,300", wanted=3) == ("list", "100", "200", "300")
    assert shape("100,200", wanted=1) == ("list", "100200")


def test_set_is_a_group_of_its_own():
    assert read_parts(r"\{1\}").kind is Kind.SET
