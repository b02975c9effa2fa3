"""Checks of hyper-parameters: one line that names the field, its value and what it may be."""

import math

from spro.errors import BatchError


def check_finite(**hyper_parameters: float) -> None:
    """Refuse values that are not finite, by name."""
    for name, value in hyper_parameters.items():
        if not math.isfinite(value):
            raise BatchError(f"{name} is {value}; it must be finite")


def check_at_least_zero(**hyper_parameters: float) -> None:
    """Refuse values that are negative or not finite, by name."""
    for name, value in hyper_parameters.items():
        if not (math.isfinite(value) and value >= 0):
            raise BatchError(f"{name} is {value}; it must be finite and at least 0")


def check_above_zero(**hyper_parameters: float | int) -> None:
    """Refuse values that are not above zero or not finite, by name."""
    for name, value in hyper_parameters.items():
        if not (math.isfinite(value) and value > 0):
            raise BatchError(f"{name} is {value}; it must be finite and above 0")


def check_share(**hyper_parameters: float) -> None:
    """Refuse values outside [0, 1], by name."""
    for name, value in hyper_parameters.items():
        if not 0 <= value <= 1:
            raise BatchError(f"{name} is {value}; it must lie in [0, 1]")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a hyper-parameter that does not lie strictly between two bounds."""
    if not low < value < high:
        raise BatchError(f"{name} is {value}; it must lie between {low:g} and {high:g}")


def check_above(name: str, value: float, low: float) -> None:
    """Refuse a hyper-parameter that is not above a bound or not finite."""
    if not low < value < math.inf:
        raise BatchError(f"{name} is {value}; it must be finite and above {low:g}")
