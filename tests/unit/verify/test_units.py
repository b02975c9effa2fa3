import pytest

from spro.verify.math.latex import plain_latex
from spro.verify.math.units import differ, split_unit, unit_named


@pytest.mark.parametrize(
    ("latex", "quantity", "unit"),
    [
        ("5", "5", ""),
        (r"5 \text{ cm}", "5", "cm"),
        (r"5\,\mathrm{cm}", "5", "cm"),
        (r"5 \text{ centimetres}", "5", "cm"),
        (r"5 \text{ inches}", "5", "in"),
        ("45 minutes", "45", "min"),
        (r"10\text{ cm}^2", "10", "cm^2"),
        (r"10\text{ square feet}", "10", "ft^2"),
        (r"3 \text{ apples}", "3", "apple"),
        (r"\frac{1}{2} \text{ km/h}", r"\frac{1}{2}", "km/h"),
        (r"\$32", "32", "$"),
        (r"-\$32", "-32", "$"),
        (r"18 \text{ dollars}", "18", "$"),
        (r"\$5 \text{ million}", r"5 \cdot 10^{6}", "$"),
        (r"5 \text{ million}", r"5 \cdot 10^{6}", ""),
        (r"5 \text{ million dollars}", r"5 \cdot 10^{6}", "$"),
        (r"90^\circ", "90", "°"),
        (r"20^\circ \text{C}", "20", "°C"),
        # Mathematics.
        ("5t", "5t", ""),
        ("2h", "2h", ""),
        ("3m", "3m", ""),
        (r"2\text{i}", r"2\text{i}", ""),
        (r"5 \text{ or } 6", r"5 \text{ or } 6", ""),
        (r"5 \text{ if lucky}", r"5 \text{ if lucky}", ""),
        (r"\text{cm}", r"\text{cm}", ""),
        ("xyz", "xyz", ""),
    ],
)
def test_split(latex, quantity, unit):
    assert split_unit(plain_latex(latex)) == (quantity, unit)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("$cm^2$", "cm^2"),
        ("minutes", "min"),
        ("%", "%"),
        (r"^{\circ}", "°"),
        ("km/h", "km/h"),
        ("", ""),
        ("wug", "wug"),
    ],
)
def test_named_beside(text, unit):
    assert unit_named(text) == unit


def test_only_known_units_differ():
    assert differ("cm", "m")
    assert differ("cm", "cm^2")
    assert differ("$", "°")
    assert not differ("cm", "")
    assert not differ("cm", "cm")
    assert not differ("apple", "fruit")
