"""What all groups of settings are made of."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
OversampleFactor = Annotated[float, Field(ge=1, allow_inf_nan=False)]


def split_commas(text: str) -> list[str]:
    """``a, b`` as ``["a", "b"]``."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _as_list(value: Any) -> Any:
    if value is None:
        return []
    if isinstance(value, str):
        return split_commas(value)
    return [value] if isinstance(value, int | float) else value


Commas = BeforeValidator(_as_list)
"""A list of words or numbers is written ``[a, b]`` or ``a,b``; one value stands for itself, none for no value."""


class Section(BaseModel):
    """A frozen group of settings in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def default_type(name: str) -> BeforeValidator:
    """The type of a section of several types when none is named."""
    return BeforeValidator(lambda value: {"type": name, **value} if isinstance(value, dict) else value)
