"""Frozen dataclasses that a section of the settings chooses by name: credit methods and surrogates."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from spro.config import LossConfig
from spro.credit import METHODS, Method
from spro.errors import ConfigError
from spro.loss import SURROGATES, Surrogate
from spro.settings import nearest

Named = TypeVar("Named")


@dataclass(frozen=True)
class Registry(Generic[Named]):
    """What may stand in a section with a free ``type``.

    Attributes:
        section: name of the section.
        kind: what its types are called in messages.
        classes: frozen dataclasses by name; their fields are the hyper-parameters and have the only defaults.
        common: keys of the section that belong to no type, ``type`` among them; for hints.
    """

    section: str
    kind: str
    classes: Mapping[str, type[Named]]
    common: frozenset[str] = frozenset({"type"})

    def build(self, name: str, hyper_parameters: Mapping[str, Any]) -> Named:
        """The object with its hyper-parameters.

        Raises:
            ConfigError: the name or a hyper-parameter is unknown, one without default is missing, or a value is of the
                wrong type or impossible; one line.
        """
        if name not in self.classes:
            raise ConfigError(f"{self.section}.type is {name!r}; {nearest(name, self.classes)}")
        chosen = self.classes[name]
        known = _field_names(chosen)
        for key in hyper_parameters:
            if key not in known:
                hint = nearest(key, {*known, *self.common})
                raise ConfigError(f"unknown key '{self.section}.{key}' for the {self.kind} {name!r}; {hint}")
        try:
            return TypeAdapter(chosen).validate_python(dict(hyper_parameters))
        except ValidationError as error:
            raise ConfigError(self._describe(name, error.errors()[0])) from error

    def values(self, built: Named) -> dict[str, Any]:
        """Every hyper-parameter as it is."""
        return {name: getattr(built, name) for name in _field_names(type(built))}

    def _describe(self, name: str, problem: ErrorDetails) -> str:
        if problem["type"] == "missing":
            return f"{self.section}.{problem['loc'][-1]} is missing: the {self.kind} {name!r} has no default for it"
        # A class's own check speaks of the whole object and names the field itself.
        place = ".".join([self.section, *map(str, problem["loc"])])
        value = f" is {problem['input']!r}" if problem["loc"] else ""
        message = problem["msg"].removeprefix("Value error, ")
        return f"{place}{value}: {message[0].lower()}{message[1:]}"


def _field_names(chosen: type[Any]) -> list[str]:
    return [field.name for field in fields(chosen)]


CREDIT_TYPES: Registry[Method] = Registry("credit", "method", METHODS)
LOSS_TYPES: Registry[Surrogate] = Registry("loss", "surrogate", SURROGATES, frozenset(LossConfig.model_fields))
"""Of a config of ours; a host's has sections of its own."""
