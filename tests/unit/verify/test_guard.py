import pytest

from spro.verify.math.guard import (
    RULES,
    arrow,
    base,
    brackets,
    chain,
    ellipsis,
    letter_case,
    products,
    refusal,
    restatement,
)
from spro.verify.math.latex import plain_latex

# rule, ground truth, answer
REFUSED = [
    (restatement, "5050", r"\sum_{k=1}^{100} k"),
    (restatement, "120", r"\dbinom{10}{3}"),
    (restatement, "120", r"{10 \choose 3}"),
    (restatement, "6", r"\operatorname{lcm}(2, 3)"),
    (restatement, "6", r"\mathrm{lcm}(2, 3)"),
    (restatement, "6", "lcm(2,3)"),
    (restatement, "-2", r"\left|\begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix}\right|"),
    (restatement, "2x", r"\frac{d}{dx} x^2"),
    (restatement, "2x", r"\frac{\partial}{\partial x} x^2"),
    (restatement, r"\sum_{k=1}^n k", r"\prod_{k=1}^n k"),
    (restatement, "5", "∑_{k=1}^{2} k"),
    (ellipsis, "103", r"1+2+\ldots+100"),
    (ellipsis, "103", "1+2+...+100"),
    (chain, "1", "9=1"),
    (chain, "1", "5=4=3=2=1"),
    (chain, "6", r"2 \times 3 = 6"),
    (chain, "6", "x = 5 = 6"),
    (chain, "6", r"\approx 6"),
    (chain, "6", r"\sqrt{36} = 6"),
    (chain, "x=1", "x=2=1"),
    (arrow, "6", r"x=7 \Rightarrow 6"),
    (arrow, "6", r"7 \implies 6"),
    (letter_case, "A", "a"),
    (letter_case, "x + Y", "X + Y"),
    (base, "2516_8", "2516_9"),
    (base, "11", "11_2"),
    (restatement, "5x^4", r"\frac d{dx} x^5"),
    (restatement, "5x^4", r"\frac{d(x^{5})}{dx}"),
    (restatement, "20x^3", r"\frac{d^2}{d{x}^2} x^5"),
    (restatement, "5x^4", "(x^5)'"),
    (products, "7", r"\begin{pmatrix} 1 \end{pmatrix} \begin{bmatrix} 7 \end{bmatrix}"),
    (products, r"\begin{pmatrix} 4 \end{pmatrix}", r"\begin{pmatrix} 2 \end{pmatrix}^{2}"),
    (products, "10", r"\frac{5!}{2!3!}"),
    (brackets, "5", "[5]"),
    (brackets, "5", r"\lbrack 5 \rbrack"),
]

ALLOWED = [
    (restatement, r"\binom{10}{3}", r"\binom{10}{7}"),
    (restatement, "120", "5!"),
    (restatement, "3", r"\log_2 8"),
    (restatement, r"\frac{d}{2}", r"\frac{d}{2}"),
    (restatement, "x", r"\frac{dx}{d}"),
    (ellipsis, r"1, 2, \ldots", r"1, 2, \ldots"),
    (ellipsis, "2", r"1 \cdot 2"),
    (chain, "5", "x = 5"),
    (chain, "5", "f(x) = 5"),
    (chain, "5", r"\theta = 5"),
    (chain, "5", r"\angle ABC = 5"),
    (chain, "142", "m + n = 142"),
    (chain, "y = 2x", "2x - y = 0"),
    (chain, "x < 2", r"x \le 2"),
    (arrow, r"\overrightarrow{AB}", r"\overrightarrow{AB}"),
    (letter_case, "x + Y", "Y + x"),
    (letter_case, "a + A", "A"),
    (letter_case, r"\text{Yes}", r"\text{yes}"),
    (base, "2516_8", "2516"),
    (base, "11", "11_{10}"),
    (restatement, "x", r"\frac{a}{dx}"),
    (products, "120", "5!"),
    (products, r"\binom{5}{2}", r"\frac{5!}{2!3!}"),
    (products, "n", r"\frac{n!}{(n-1)!}"),
    (products, r"\begin{pmatrix} 4 \end{pmatrix}", r"2\begin{pmatrix} 2 \end{pmatrix}"),
    (products, r"\begin{pmatrix} 4 \end{pmatrix}^T", r"\begin{pmatrix} 4 \end{pmatrix}^T"),
    (brackets, "[5]", "[5]"),
    (brackets, r"\begin{pmatrix} 1 \end{pmatrix}", r"\left[\begin{array}{c} 1 \end{array}\right]"),
    (brackets, "x>1", "[1,2]"),
    (brackets, "5", "[2]+[3]"),
]


@pytest.mark.parametrize(("rule", "gold", "answer"), REFUSED)
def test_refused_by_this_rule(rule, gold, answer):
    gold, answer = plain_latex(gold), plain_latex(answer)
    assert rule(gold, answer)
    assert refusal(gold, answer)


@pytest.mark.parametrize(("rule", "gold", "answer"), ALLOWED)
def test_allowed_by_this_rule(rule, gold, answer):
    assert rule(plain_latex(gold), plain_latex(answer)) == ""


def test_every_rule_is_tested_and_tells_its_trick():
    assert {rule for rule, _, _ in REFUSED} == set(RULES)
    assert all("``" in rule.__doc__ for rule in RULES)
