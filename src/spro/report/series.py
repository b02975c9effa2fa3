"""Values along an axis: what a curve is made of, whatever it is drawn across."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity at the places that measured it; None where it could not be measured.

    A place that did not log the quantity is absent (a line runs on over it), one that logged null is None (a line
    breaks).

    Attributes:
        places: ascending; steps, tokens, hours or whatever the figure runs across.
        values: one a place.
    """

    places: tuple[float, ...]
    values: tuple[float | None, ...]

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The measured pairs of place and value."""
        return tuple((p, v) for p, v in zip(self.places, self.values, strict=True) if v is not None)
