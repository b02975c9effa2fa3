import pytest

from spro.verify.math.algebra import are_equal, are_same_ranges, is_algebra, read


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("0.5", r"\frac{1}{2}", True),
        ("0.333333", r"\frac{1}{3}", True),
        ("0.0000001", "0.0000002", False),
        ("0", "0.0000001", False),
        (r"\sqrt{2} \cdot 10^{-20}", r"\pi \cdot 10^{-20}", False),
        (r"\sqrt{2}", r"\sqrt{2} + 10^{-20}", False),
        ("x", "x + 10^{-20}", False),
        (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}", True),
        (r"\sin^2 x", r"1-\cos^2 x", True),
        ("x^2+1=0", "x^2+2=0", False),
        ("x^2+1=0", "2x^2+2=0", True),
        ("x^2+1=0", "-1-x^2=0", True),
        ("-1", "i^2", True),
        ("2i", "(1+i)^2", True),
        (r"x \le 2", r"2x \le 4", True),
        (r"x \le 2", "x < 2", False),
        (r"\begin{pmatrix} 1 \\ \frac{1}{2} \end{pmatrix}", r"\begin{pmatrix} 1 \\ 0.5 \end{pmatrix}", True),
        (r"\begin{pmatrix} 1 \\ 0 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 10^{-20} \end{pmatrix}", False),
        (r"(0, \sqrt{2})", r"(0, \sqrt{2} + 10^{-20})", False),
    ],
)
def test_equality(gold, answer, expected):
    assert are_equal(read(gold), read(answer), 0.0) is expected


@pytest.mark.parametrize(("answer", "expected"), [("4.3", True), ("4.1", True), ("4.31", False), ("x", False)])
def test_tolerance(answer, expected):
    assert are_equal(read("4.2"), read(answer), 0.1) is expected


def test_ranges():
    both = read(r"(-\infty,1) \cup (3,\infty)")
    assert are_same_ranges((both,), (read("x<1"), read("x>3")))
    assert not are_same_ranges((both,), (read("x<1"), read(r"x \ge 3")))
    assert not are_same_ranges((both,), (read("x<1"), read("y>3")))
    assert not are_same_ranges((read("5"),), (read("5"),))
    assert not are_same_ranges((read("}{"),), (read("5"),))


def test_reading():
    assert is_algebra(read("5"))
    assert not is_algebra(read("}{"))
    assert not are_equal(read("5"), read("}{"), 0.0)
