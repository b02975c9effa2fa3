import pytest

from spro.verify.math.latex import bare_latex, normal_latex


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("42", "42"),
        (" $42$ ", "42"),
        ("$$42$$", "42"),
        (r"\(42\)", "42"),
        (r"\[42\]", "42"),
        (r"\boxed{42}", "42"),
        (r"The answer is $\boxed{42}$.", "42"),
        ("$42$.", "42"),
        ("$42.$", "42"),
        ("$1$ and $2$", "$1$ and $2$"),
        (r"\$42", r"\$42"),
        (r"$42\$", r"$42\$"),
        (r"[1, 2)", "[1, 2)"),
        (r"\boxed{", r"\boxed{"),
        ("$", "$"),
        ("$$", ""),
        ("", ""),
    ],
)
def test_bare(text, bare):
    assert bare_latex(text) == bare


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\tfrac12", r"\frac12"),
        (r"\left( 1, 2 \right)", "( 1, 2 )"),
        (r"1,\!234", "1,234"),
        ("a   b\nc", "a b c"),
    ],
)
def test_same_spelling(one, other):
    assert normal_latex(one) == normal_latex(other)


@pytest.mark.parametrize(("one", "other"), [("1 2", "12"), (r"\leftarrow", "arrow"), ("a", "A"), ("1.", "1.5")])
def test_other_meaning(one, other):
    assert normal_latex(one) != normal_latex(other)
