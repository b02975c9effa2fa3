"""The settings of ``spro microscope``, from ``key=value`` words; every mistake becomes one line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from spro.config.section import Commas, Section
from spro.credit import METHODS
from spro.errors import ConfigError
from spro.settings import check_settings, nearest, parse_value, split_word

HANDFUL = ("spro", "spro_control_variate", "grpo", "rloo", "vineppo", "prime", "ppo")
"""Looked at when no method is named, as far as they can be made."""
SECTIONS = ("model", "task", "rollout", "vllm", "verify", "reward", "steps", "vine", "train.micro_batch_tokens")
"""Settings of a training run that have a meaning here; they are laid upon those of the run, or on the defaults."""


class MicroscopeConfig(Section):
    """What is looked at, and how. A list is written ``methods=spro,grpo`` or ``methods=[spro,grpo]``.

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

    methods: Annotated[tuple[str, ...], Commas] = HANDFUL
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
    own: list[str] = []
    credit: dict[str, dict[str, Any]] = {}
    overrides: list[str] = []
    for word in words:
        key, _ = split_word(word, "prompts=32")
        if key in MicroscopeConfig.model_fields:
            own.append(word)
        elif key.startswith("credit."):
            method, field = _hyper_parameter(key, word)
            credit.setdefault(method, {})[field] = parse_value(word)
        else:
            _check_has_meaning(key)
            overrides.append(word)
    config = check_settings(MicroscopeConfig, "", {}, own)
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
