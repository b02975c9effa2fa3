"""The settings of ``spro oracle``, from ``key=value`` words; every mistake becomes one line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from spro.config.section import Commas, Section
from spro.credit import METHODS
from spro.settings import check_settings, nearest

BLOCKS = 20
"""Batches are summed in this many blocks; errors come from leaving one out."""


Length = Annotated[int, Field(ge=2, le=32)]
GroupSize = Annotated[int, Field(ge=2, le=256)]
Drift = Annotated[float, Field(ge=0, le=20)]


class OracleConfig(Section):
    """What is scored, on which batches. A list is written ``lengths=4,6`` or ``lengths=[4,6]``.

    Scored are the base setting (``length``, ``group_size``, ``drift``), and from there each of the three lists alone.

    Attributes:
        out: folder to write; must not exist.
        seed: of everything.
        methods: ``all``, or names as ``spro methods`` prints them; RLOO, the unit of noise, is always scored.
        length: tokens that a response may have, in the base setting.
        group_size: responses to a prompt, in the base setting.
        drift: KL(pi || pi_ref) in nats a response, in the base setting; reached by training, so a little more.
        lengths: scored beside ``length``.
        group_sizes: scored beside ``group_size``.
        drifts: scored beside ``drift``; 0 is the reference itself.
        batches: a setting; a multiple of 20.
        groups: a batch; a multiple of ``prompts``.
        prompts: of the world.
        accuracy: of the reference.
        step_length: tokens a step, for methods that speak of steps.
        vine_samples: rollouts from the start of each step, for VinePPO; 9 is the paper's.
        learning_rate: of the training by which the policy drifts.
        prm_learning_rate: of the implicit reward model, trained beside it.
    """

    out: Path = Path("oracle")
    seed: int = Field(0, ge=0, lt=2**31)
    methods: Annotated[tuple[str, ...], Commas] = ("all",)
    length: Length = 6
    group_size: GroupSize = 4
    drift: Drift = 1.0
    lengths: Annotated[tuple[Length, ...], Commas] = (4, 8)
    group_sizes: Annotated[tuple[GroupSize, ...], Commas] = (2, 8, 16)
    drifts: Annotated[tuple[Drift, ...], Commas] = (0.0, 0.25, 0.5, 2.0)
    batches: int = Field(400, ge=20, le=1_000_000)
    groups: int = Field(32, ge=1, le=4096)
    prompts: int = Field(8, ge=1, le=4096)
    accuracy: float = Field(0.35, ge=0.15, le=0.9)
    step_length: int = Field(1, ge=1)
    vine_samples: int = Field(9, ge=1, le=10_000)
    learning_rate: float = Field(5.0, gt=0)
    prm_learning_rate: float = Field(2000.0, gt=0)

    @field_validator("methods")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if names == ("all",):
            return names
        for name in names:
            if name not in METHODS:
                raise ValueError(f"unknown method {name!r}; {nearest(name, METHODS)}")
        if not names:
            raise ValueError("no method is named; methods=all scores every one")
        return names

    @model_validator(mode="after")
    def _fits(self) -> "OracleConfig":
        if self.groups % self.prompts:
            raise ValueError(f"groups is {self.groups}, which is no multiple of prompts={self.prompts}")
        if self.batches % BLOCKS:
            raise ValueError(f"batches is {self.batches}, which is no multiple of {BLOCKS}")
        return self

    @property
    def method_names(self) -> tuple[str, ...]:
        """The methods to score, RLOO among them, in the order of ``METHODS``."""
        chosen = set(METHODS if self.methods == ("all",) else self.methods) | {"rloo"}
        return tuple(name for name in METHODS if name in chosen)


def parse_config(words: Sequence[str]) -> OracleConfig:
    """The settings of ``key=value`` words.

    Raises:
        ConfigError: a word is none, its key is unknown, or its value is wrong; one line.
    """
    return check_settings(OracleConfig, "", {}, words, "batches=1000")
