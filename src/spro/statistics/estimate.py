"""What a measurement says: a value and how far it may be trusted."""

from dataclasses import dataclass

CONFIDENCE = 0.95
"""Share of intervals that contain the truth, over repeated evaluations."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of problems, with the error that comes from having drawn these problems and not others.

    Attributes:
        value: the point estimate, in [0, 1].
        se: its standard error, clustered by problem; 0.5 for a single problem, which says nothing of the spread.
        low: lower end of the 95 % interval, in [0, ``value``].
        high: upper end of the 95 % interval, in [``value``, 1].
        n: problems.
    """

    value: float
    se: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One model or method minus another, on the same problems.

    Attributes:
        value: the point estimate, in [-1, 1].
        se: its standard error; 1 for a single problem, which says nothing of the spread.
        low: lower end of the 95 % interval.
        high: upper end of the 95 % interval.
        p_value: two-sided, of no difference; below 0.05 exactly where the interval leaves 0 out.
        n: problems.
    """

    value: float
    se: float
    low: float
    high: float
    p_value: float
    n: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two sets of numbers go together, with the error that comes from having drawn these groups of rollouts.

    Attributes:
        value: the point estimate; None where it has no meaning, and the bounds with it.
        low: lower end of the 95 % interval.
        high: upper end of the 95 % interval.
        n: pairs of numbers that count.
        clusters: groups that they came from.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
