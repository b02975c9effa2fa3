"""What a sink is: a place outside the run folder in which the numbers of a run are shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from spro.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Label:
    """What a sink is told of a run beside its numbers.

    Attributes:
        folder: of the run; what a sink must remember of it to go on is kept there.
        project: under which runs stand together.
        name: of the run.
        settings: its resolved config.
    """

    folder: Path
    project: str
    name: str
    settings: Mapping[str, Any]


class Sink(Protocol):
    """An open one. Any of its methods may raise whatever its library does."""

    place: str
    """Where a person finds it."""
    last: int
    """The last step that it held when it was opened; -1 for none."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show the numbers of a step; steps only rise."""
        ...

    def close(self) -> None:
        """Hand over what is still on the way."""
        ...


Open = Callable[[Label, int], Sink]
"""Opens the sink of a run that goes on with this step: what it held of later steps is void."""


def load_library(module: str, extra: str) -> Any:
    """A sink's library, which nothing imports before a sink is asked for.

    Raises:
        ConfigError: it is not installed, or not in order; says what to install.
    """
    try:
        return import_module(module)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ConfigError(
            f"log.sinks names {extra}, which cannot be imported ({reason}): pip install 'spro[{extra}]', or remove it"
        ) from error
