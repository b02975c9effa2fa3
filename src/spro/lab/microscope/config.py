"""The settings of ``spro microscope``, from ``key=value`` words; every mistake becomes one line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from spro.credit import METHODS
from spro.errors import ConfigError
from spro.settings import nearest

HANDFUL = ("spro", "spro_control_variate", "grpo", "rloo", "vineppo", "prime", "ppo")
"""Looked at when no method is named, as far as they can be made."""
SECTIONS = ("model", "task", "rollout", "vllm", "verify", "reward", "steps", "vine", "train.micro_batch_tokens")
"""Settings of a training run that have a meaning here; they are laid upon those of the run, or on the defaults."""


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class MicroscopeConfig(BaseModel):
    """What is looked at, and how. A list is written with commas: ``methods=spro,grpo``.

    Attributes:
        methods: ``all``, or names as ``spro methods`` prints them; without it a telling handful.
        prompts: how many problems, drawn by the seed.
        group_size: responses to each.
        seed: of the draw, of the responses and of all continuations.
        split: ``held_out``, never trained on, or ``train``.
        step: of a run: look at this checkpoint; the newest whole one without it.
        reference: of a model: the frozen reference, another model; without it the policy itself.
        truth: what methods are held against. ``exact`` is that of the lab task chain, ``monte_carlo`` that of
            continuations, ``auto`` both where there are both.
        per: ``step``: continuations begin where steps begin. ``token``: at every token, which costs as much more.
        samples: continuations of each state.
        shown: responses on the page, at most.
        out: folder to write; must not exist. Without it ``microscopes/<name>-<number>``, the next free number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: Annotated[tuple[str, ...], BeforeValidator(_split)] = HANDFUL
    prompts: int = Field(16, ge=1, le=4096)
    group_size: int = Field(8, ge=2, le=256)
    seed: int = Field(0, ge=0, lt=2**31)
    split: Literal["held_out", "train"] = "held_out"
    step: int | None = Field(None, ge=1)
    reference: str | None = Field(None, min_length=1)
    truth: Literal["auto", "exact", "monte_carlo", "none"] = "auto"
    per: Literal["step", "token"] = "step"
    samples: int = Field(32, ge=2, le=10_000)
    shown: int = Field(24, ge=1, le=200)
    out: Path | None = None

    @field_validator("methods")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("no method is named; methods=all takes every one that can be made")
        if names == ("all",):
            return tuple(METHODS)
        for name in names:
            if name not in METHODS:
                raise ValueError(f"unknown method {name!r}; {nearest(name, METHODS)}")
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        target: a run folder or a model.
        config: the microscope's own settings.
        credit: hyper-parameters by method, as they were set.
        overrides: ``key=value`` words for the settings of the run.
    """

    target: str
    config: MicroscopeConfig
    credit: Mapping[str, Mapping[str, Any]]
    overrides: tuple[str, ...]


def parse_request(target: str, words: Sequence[str]) -> Request:
    """The request of a command line.

    Raises:
        ConfigError: a word is none, its key is unknown, or its value is wrong; one line.
    """
    own: dict[str, str] = {}
    credit: dict[str, dict[str, Any]] = {}
    overrides: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ConfigError(f"cannot read {word!r}; settings are written key=value, for example prompts=32")
        if key in MicroscopeConfig.model_fields:
            own[key] = value
        elif key.startswith("credit."):
            method, field = _hyper_parameter(key, word)
            credit.setdefault(method, {})[field] = _parse_value(value, word)
        else:
            _check_has_meaning(key)
            overrides.append(word)
    try:
        config = MicroscopeConfig.model_validate(own)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(_describe(problem["type"], problem["loc"], problem["msg"], problem["input"])) from error
    strange = sorted(credit.keys() - {*config.methods})
    if strange:
        raise ConfigError(
            f"credit.{strange[0]} is set, and {strange[0]!r} is none of methods={','.join(config.methods)}"
        )
    return Request(target, config, credit, tuple(overrides))


def _hyper_parameter(key: str, word: str) -> tuple[str, str]:
    """``credit.spro.beta`` -> ``("spro", "beta")``; whether the method has it is found out when it is built."""
    method, _, field = key.removeprefix("credit.").partition(".")
    if not field:
        raise ConfigError(
            f"cannot read {word!r}; several methods are looked at, so a hyper-parameter is written "
            f"credit.<method>.<name>=value, for example credit.spro.beta=0.1"
        )
    if method not in METHODS:
        raise ConfigError(f"cannot read {word!r}: unknown method {method!r}; {nearest(method, METHODS)}")
    return method, field


def _check_has_meaning(key: str) -> None:
    if key == "rollout.group_size":
        raise ConfigError("rollout.group_size is written group_size here")
    if not any(key == section or key.startswith(f"{section}.") for section in SECTIONS):
        known = {
            *MicroscopeConfig.model_fields,
            *(f"{section}.…" if "." not in section else section for section in SECTIONS),
        }
        raise ConfigError(f"unknown key {key!r}; {nearest(key, known)}")


def _parse_value(value: str, word: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"cannot read the value of {word!r}: {' '.join(str(error).split())}") from error


def _describe(kind: str, location: tuple[int | str, ...], message: str, value: object) -> str:
    message = message.removeprefix("Value error, ")
    if kind == "value_error":
        return f"{location[0]}: {message}"
    return f"{location[0]} is {value!r}: {message[0].lower()}{message[1:]}"
