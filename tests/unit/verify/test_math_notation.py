r"""How physicists, programmers and typists write: units, numbers, markup. Labelled before the grader was asked."""

import json
import time

import pytest

from spro.verify import Status

# unit beside the ground truth, ground truth, answer
EQUAL_UNITS = [
    ("", r"4200 \text{ J/(kg}\cdot\text{K)}", r"4200 \text{ J/kg K}"),
    ("J/(kg K)", "4200", r"4200\,\mathrm{J\,kg^{-1}\,K^{-1}}"),
    ("", "10", r"10 \text{ cm}^2"),
    ("", "x_1'", "x_1'"),
    ("N", "5", r"5\,\text{N}"),
    ("N", "5", "5N"),
    ("N", "5", "5 N"),
    ("N", "5", r"5 \text{ newtons}"),
    ("K", "20", r"20\,\mathrm{K}"),
    ("kelvin", "20", r"20\,\mathrm{K}"),
    ("", "20", r"20\,\mathrm{K}"),
    ("", "5", r"5\,\text{N}"),
    ("", r"5 \text{ N}", "5"),
    ("", r"5 \text{ N}", "5N"),
    ("", r"\frac12 \text{ T}", r"0.5\,\text{T}"),
    ("", "3", r"3 \text{ V}"),
    ("", "3", r"3 \text{ volts}"),
    ("", "3", r"3\,\mathrm{W}"),
    ("", "3", r"3\ \mathrm{J}"),
    ("", "3", r"3\,\text{A}"),
    ("", "3", r"3\,\text{C}"),
    ("", "3", r"3 \text{ F}"),
    ("", "3", r"3 \text{ H}"),
    ("", "50", "50 Hz"),
    ("", "50", r"50 \text{ Hz}"),
    ("", "50", r"50\,\mathrm{kPa}"),
    ("", "2", r"2\,\text{mol}"),
    ("", "2", r"2\,\text{eV}"),
    ("", r"2 \text{ mega electronvolts}", "2"),
    ("", r"2 \text{ megaelectronvolts}", r"2 \text{ MeV}"),
    ("", "100", r"100\,\Omega"),
    (r"\Omega", "100", r"100 \text{ ohms}"),
    ("", r"100 \text{ ohm}", r"100\,\Omega"),
    ("", r"5 \text{ k}\Omega", r"5\,\mathrm{k\Omega}"),
    ("", "5", r"5\,\mu m"),
    ("", "5", r"5\,\mu\text{m}"),
    ("", r"5\,\mu\text{m}", r"5\,\mathrm{\mu m}"),
    ("", r"5 \text{ micrometers}", r"5\,\mathrm{\mu m}"),
    ("", r"5\,\mathrm{µm}", r"5\,\mathrm{\mu m}"),
    ("m/s^2", "9.8", "9.8 m/s^2"),
    ("", "9.8", "9.8 m/s^2"),
    ("", r"9.8 \text{ m/s}^2", r"9.8 \text{ m s}^{-2}"),
    ("", r"9.8 \text{ m/s}^2", r"9.8\,\mathrm{m\,s^{-2}}"),
    ("", r"9.8 \text{ m/s}^2", r"9.8\frac{m}{s^2}"),
    ("m/s", "3", r"3\,\mathrm{m\cdot s^{-1}}"),
    ("m/s", "3", r"3\,\frac{\text{m}}{\text{s}}"),
    ("m/s", "3", r"3 \text{ meters per second}"),
    (r"$\mathrm{~m} / \mathrm{s}$", "3", r"3 \text{ m/s}"),
    ("", r"3 \text{ mph}", r"3 \text{ miles per hour}"),
    ("", r"3 \text{ kg m/s}^2", r"3 \text{ N}"),
    ("", r"3 \text{ N}\cdot\text{m}", r"3\,\mathrm{J}"),
    ("", "5N", "N5"),
    ("", "3T", r"3 \cdot T"),
    ("", r"2\mu m g", r"2 \mu g m"),
    ("", "A", r"\text{A}"),
    ("", "C", r"\text{C}"),
    ("", r"\text{(C)}", r"\mathrm{C}"),
    ("", "5", "5 apples"),
    ("", "5", r"5 \text{ apples}"),
    ("", "5'", "5'"),
    ("ft", "5", "5'"),
    ("", r"5 \text{ minutes}", "5'"),
    ("", "5'", "5"),
]
UNEQUAL_UNITS = [
    ("", "5", "5 squared"),
    ("", "5", r"5 \text{ squared}"),
    ("", "5", "5 plus"),
    ("", "5", "5 dozen"),
    ("", "5", r"5 \text{ dozen}"),
    ("", "5", "5 would"),
    ("", "5", r"5 \text{ B}"),
    ("", "5", r"5 \text{ G}"),
    ("", "x", r"x \mu m"),
    ("", "x_1'", "x_2'"),
    ("", r"4200 \text{ J/(kg K)}", r"4200 \text{ J/kg}"),
    ("", "5", "5ft or 6"),
    ("N", "5", r"5\,\text{K}"),
    ("N", "5", r"5\,\text{kN}"),
    ("N", "5", r"6\,\text{N}"),
    ("N", "5", "5K"),
    ("K", "20", r"20^\circ \text{C}"),
    ("h", "3", r"3 \text{ H}"),
    ("", "5", "5N"),
    ("", "5N", "5"),
    ("", "5N", "5K"),
    ("", "5t", "5T"),
    ("", r"5 \text{ s}", r"5 \text{ S}"),
    ("", r"5 \text{ m}", r"5\,\mu\text{m}"),
    ("", r"100\,\Omega", r"100\,\text{V}"),
    ("m/s^2", "9.8", "9.8 m/s"),
    ("m/s^2", "9.8", r"9.8\,\mathrm{m\,s^{-1}}"),
    ("m/s", "3", r"3\,\frac{\text{s}}{\text{m}}"),
    ("m/s", "3", r"3 \text{ km/h}"),
    ("m/s", "3", r"3 \text{ m}"),
    ("", "2", "2ms"),
    ("", r"2\mu m g", "2"),
    ("", "5", "5'"),
    ("", "5", "5''"),
    ("", "5", r"5^{\prime}"),
    ("", "5'", "5''"),
    ("cm", "5", "5'"),
    ("", "5", "6 apples"),
    ("", "5", "5 or six"),
    ("", "5", "5 sin"),
    ("", "5", "5 xyz"),
    ("", "5", r"5 \text{ M}\text{illion}"),
]

EQUAL = [
    ("6.02e23", r"6.02 \times 10^{23}"),
    (r"1.6 \times 10^{-19}", "1.6e-19"),
    ("1000", "1e3"),
    ("1000", "1E3"),
    ("3.14", r"\approx 3.14"),
    ("18", "=18"),
    ("18", "= 18"),
    ("(1,2)", "= (1,2)"),
    ("5.5", "5 1/2"),
    (r"\frac{11}{2}", "5 1/2"),
    ("-5.5", "-5 1/2"),
    ("1234", "1 234"),
    ("1234567", r"1\ 234\ 567"),
    ("1234", "1\N{NARROW NO-BREAK SPACE}234"),
    (r"\frac13", r"0.333\ldots"),
    (r"\frac13", "0.333..."),
    (r"\frac13", "0.(3)"),
    (r"\frac16", "0.1(6)"),
    (r"\frac16", "0.1666..."),
    (r"\frac{4}{33}", "0.121212..."),
    (r"\frac12", "½"),
    (r"\frac{11}{2}", "5½"),
    ("x^2", "x²"),
    ("x^{12}", "x¹²"),
    ("x^{-1}", "x⁻¹"),
    ("x_1", "x₁"),
    ("-5", "\N{MINUS SIGN}5"),
    ("-5", "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH DIGIT FIVE}"),
    ("15", "1\N{ZERO WIDTH SPACE}5\N{WORD JOINER}"),
    ("5", "\N{MATHEMATICAL BOLD DIGIT FIVE}"),
    ("5", "\N{ARABIC-INDIC DIGIT FIVE}"),
    ("C", r"\text{(C) } 12"),
    ("(C)", r"\text{(C) }12"),
    ("A", r"\textbf{(A)}\ 5"),
    (r"\textbf{(A)}\ 5", "A"),
    ("5:30", r"5:30 \text{ p.m.}"),
    (r"5:30 \text{ p.m.}", "5:30 pm"),
    ("18", r"\textcolor{red}{18}"),
    ("18", r"{\color{red} 18}"),
    (r"\frac12", r"\textcolor{red}{\frac{1}{2}}"),
    ("18", "**18**"),
    ("x=1, y=2", r"\begin{cases} x=1 \\ y=2 \end{cases}"),
    ("(1,2)", r"\begin{cases} x=1\\y=2 \end{cases}"),
    ("(1,2)", r"\left\{\begin{array}{l} x=1\\y=2 \end{array}\right."),
    ("11_2", "11_{2}"),
    ("11", "11_{10}"),
    ("[5]", "[5]"),
    (r"1 \le x \le 2", "[1,2]"),
    (r"\frac{dy}{dx} = 2x", r"\frac{dy}{dx} = 2x"),
    (r"\begin{pmatrix} 2 & 4 \end{pmatrix}", r"2\begin{pmatrix} 1 & 2 \end{pmatrix}"),
    (r"\binom{5}{2}", r"\frac{5!}{2!3!}"),
    (r"\frac{n(n-1)}{2}", r"\frac{n!}{2!(n-2)!}"),
    ("120", "5!"),
    (r"\binom52", r"\binom{5}{3}"),
    (r"\log_e 5", r"\ln 5"),
    (r"\log_{e} 25", r"2\ln 5"),
    ("5", "((((5))))"),
]
UNEQUAL = [
    ("6.02e23", r"6.02 \times 10^{22}"),
    ("1000", "1e4"),
    ("1", "1e3"),
    ("e", "1e3"),
    (r"\pi", r"\approx 3.14"),
    ("3.14", r"\pi \approx 3.15"),
    ("18", "=19"),
    ("18", "9=18"),
    ("18", "==18"),
    ("5", "2+3=5"),
    ("5", "5 1/2"),
    ("2.5", "5 1/2"),
    ("51/2", "5 1/2"),
    ("1234", "12 34"),
    ("1234", "1 2 3 4"),
    ("234", "1 234"),
    ("0.333", "0.333..."),
    (r"\frac13", r"0.33\ldots"),
    (r"\frac13", "0.334..."),
    (r"\frac13", "0.(4)"),
    ("0.3", "0.(3)"),
    (r"\frac13", "0.333"),
    ("2", "½"),
    ("x^2", "x³"),
    ("x2", "x²"),
    ("52", "5²"),
    ("5", "\N{RIGHT-TO-LEFT OVERRIDE}5"),
    ("C", r"\text{(B) } 12"),
    ("C", r"\text{(C) or (B)}"),
    ("C", r"\text{(C) } 12 \text{ or (B)}"),
    (r"\textbf{(A)}\ 5", "B"),
    (r"5:30 \text{ p.m.}", r"5:30 \text{ a.m.}"),
    ("18", r"\textcolor{red}{19}"),
    ("18", "**19**"),
    ("18", "**17** **18**"),
    ("2", r"\begin{cases} x=1 \\ x=2 \end{cases}"),
    ("(2,1)", r"\begin{cases} x=1\\y=2 \end{cases}"),
    ("11", "11_2"),
    ("3", "11_2"),
    ("5", "[5]"),
    ("5", r"\lbrack 5 \rbrack"),
    ("5x^4", r"\frac d{dx} x^5"),
    ("5x^4", r"\frac{d(x^{5})}{dx}"),
    ("5x^4", r"\frac{d\left(x^{5}+x^{2^{1}}-x^{2}\right)}{dx}"),
    ("5x^4", r"\frac{\partial (x^{5})}{\partial x}"),
    ("20x^3", r"\frac{d^2}{dx^2} x^5"),
    ("5x^4", "(x^5)'"),
    (
        r"\begin{pmatrix} 2 & 1 \\ 1 & 1 \end{pmatrix}",
        r"\begin{pmatrix} 1 & 1 \\ 0 & 1 \end{pmatrix}\begin{pmatrix} 1 & 0 \\ 1 & 1 \end{pmatrix}",
    ),
    (r"\begin{pmatrix} 1 & 2 \\ 0 & 1 \end{pmatrix}", r"\begin{pmatrix} 1 & 1 \\ 0 & 1 \end{pmatrix}^2"),
    ("10", r"\frac{5!}{2!3!}"),
    ("10", r"\frac{5!}{3! \cdot 2}"),
    (r"\binom52", r"\binom{5}{1}"),
    (r"\log_e 5", r"\log_2 5"),
    ("5", "(" * 300 + "5" + ")" * 300),
]


def judge(verifier, gold, answer):
    return verifier(rf"The answer is $\boxed{{{answer}}}$.", gold).status


def beside(gold, unit):
    return json.dumps({"answers": [gold], "unit": unit}) if unit else gold


@pytest.mark.parametrize(("unit", "gold", "answer"), EQUAL_UNITS)
def test_same_unit(math_verifier, unit, gold, answer):
    assert judge(math_verifier, beside(gold, unit), answer) is Status.CORRECT


@pytest.mark.parametrize(("unit", "gold", "answer"), UNEQUAL_UNITS)
def test_other_unit(math_verifier, unit, gold, answer):
    assert judge(math_verifier, beside(gold, unit), answer) is Status.WRONG


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_same_value(math_verifier, gold, answer):
    assert judge(math_verifier, gold, answer) is Status.CORRECT


@pytest.mark.parametrize(("gold", "answer"), UNEQUAL)
def test_other_value(math_verifier, gold, answer):
    assert judge(math_verifier, gold, answer) is Status.WRONG


def test_deep_nesting_costs_nothing(math_verifier):
    began = time.process_time()
    assert judge(math_verifier, "5", "(" * 300 + "5" + ")" * 300) is Status.WRONG
    assert time.process_time() - began < 2.0
