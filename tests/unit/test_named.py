"""A section with a free type: what is told when the name, a key or a value is wrong."""

from dataclasses import dataclass

import pytest

from spro.errors import BatchError, ConfigError
from spro.named import Registry


@dataclass(frozen=True)
class Sharp:
    edge: float
    depth: int = 2

    def __post_init__(self) -> None:
        if self.edge < 0:
            raise BatchError(f"edge is {self.edge}; it must be at least 0, or the Blade breaks")


@dataclass(frozen=True)
class Bare:
    pass


TOOLS: Registry[object] = Registry("tool", "tool", {"sharp": Sharp, "bare": Bare}, frozenset({"colour", "type"}))
PLAIN: Registry[object] = Registry("tool", "tool", {"bare": Bare})


def test_a_name_and_keys_become_a_frozen_object_and_back() -> None:
    built = TOOLS.build("sharp", {"edge": 1})
    assert built == Sharp(1.0, 2)
    assert TOOLS.values(built) == {"edge": 1.0, "depth": 2}
    assert TOOLS.values(TOOLS.build("bare", {})) == {}


@pytest.mark.parametrize(
    ("registry", "name", "keys", "message"),
    [
        (TOOLS, "sharpe", {}, "tool.type is 'sharpe'; did you mean 'sharp'?"),
        (TOOLS, "sharp", {}, "tool.edge is missing: the tool 'sharp' has no default for it"),
        (TOOLS, "sharp", {"edgy": 1}, "unknown key 'tool.edgy' for the tool 'sharp'; did you mean 'edge'?"),
        (TOOLS, "sharp", {"color": 1}, "unknown key 'tool.color' for the tool 'sharp'; did you mean 'colour'?"),
        (TOOLS, "bare", {"edge": 1}, "unknown key 'tool.edge' for the tool 'bare'; known: colour, type"),
        (PLAIN, "bare", {"edge": 1}, "unknown key 'tool.edge' for the tool 'bare'; known: type"),
        (TOOLS, "sharp", {"edge": -1}, "tool: edge is -1.0; it must be at least 0, or the Blade breaks"),
    ],
)
def test_mistakes(registry: Registry[object], name: str, keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.build(name, keys)
    assert str(caught.value) == message


def test_a_value_of_the_wrong_type() -> None:
    with pytest.raises(ConfigError, match=r"^tool\.depth is 'deep': input should be a valid integer"):
        TOOLS.build("sharp", {"edge": 1, "depth": "deep"})
