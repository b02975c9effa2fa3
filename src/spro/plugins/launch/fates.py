"""What becomes of each setting in verl: translated, written into the data, left behind, or refused.

A place is a key with the type of its section: ``filter.dynamic.oversample_factor``. What is translated is named one by
one; what else is said of a section holds for all that it has. A test walks over every setting there is: a new one
without a fate fails it.
"""

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from spro.config import Config
from spro.errors import ConfigError


class Fate(StrEnum):
    """Of one setting."""

    TRANSLATED = "translated"
    DATA = "data"
    STAYS = "stays"
    REFUSED = "refused"


_HERE_ALONE = "verl has nothing to do with it"
_NO_TENSOR = "read by methods alone for which verl has no tensors"
_IN_PROCESS = "the reward function grades with the default: remove it"
_ONE_AT_A_TIME = (
    "verl asks for the reward of one response at a time: remove it, or put it into a reward function of verl's own and "
    "name that behind --"
)
_LAB = "a lab task is generated here and graded here: train it with spro train, or take task.type=eurus or math"
_REFERENCE = "verl's reference is the initial policy: take reference.type=frozen"

TRANSLATED = frozenset(
    {
        "seed",
        "run_dir",
        "model.path",
        "model.dtype",
        "model.gradient_checkpointing",
        "model.lora",
        "model.lora.rank",
        "model.lora.alpha",
        "model.lora.target_modules",
        "rollout.engine",
        "rollout.group_size",
        "rollout.temperature",
        "rollout.top_p",
        "rollout.top_k",
        "rollout.max_prompt_length",
        "rollout.max_response_length",
        "verify.math.boxes",
        "verify.code.max_tests",
        "verify.code.prime_compat",
        "reward.overlong_buffer",
        "reward.overlong_penalty",
        "filter.accuracy_window.type",
        "filter.accuracy_window.oversample_factor",
        "filter.accuracy_window.accuracy_low",
        "filter.accuracy_window.accuracy_high",
        "filter.dynamic.type",
        "filter.none.type",
        "reference.frozen.type",
        "reference.frozen.device",
        "credit.type",
        "loss.type",
        "loss.loss_reduction",
        "loss.entropy_coef",
        "loss.rollout_is_cap",
        "loss.kl_loss_coef",
        "loss.kl_estimator",
        "optimizer.learning_rate",
        "optimizer.weight_decay",
        "optimizer.warmup_steps",
        "optimizer.decay",
        "optimizer.max_grad_norm",
        "critic.learning_rate",
        "critic.weight_decay",
        "critic.warmup_steps",
        "critic.decay",
        "critic.max_grad_norm",
        "critic.value_clip",
        "critic.update_epochs",
        "critic.mini_batches",
        "critic.head_start",
        "train.steps",
        "train.prompts_per_step",
        "train.update_epochs",
        "train.mini_batches",
        "train.micro_batch_tokens",
        "evaluate.every",
        "log.checkpoint_every",
        "log.keep_checkpoints",
    }
)
DATA = frozenset({"task.eurus", "task.math"})
"""Their problems are what is written for verl."""

STAYS: Mapping[str, str] = {
    "model.device": "verl places the model",
    "model.threads": "verl's workers have their own",
    "rollout.max_rows": "vLLM's is actor_rollout_ref.rollout.max_num_seqs",
    "rollout.max_log_prob_diff": "verl logs the difference and does not stop for it",
    "vllm": "for one device; verl's own are actor_rollout_ref.rollout.gpu_memory_utilization and enforce_eager",
    "verify.workers": "verl's is reward.num_workers",
    "verify.timeout_s": "the reward function has the default",
    "verify.max_unscored_share": "verl leaves such responses out and goes on",
    "filter.dynamic.oversample_factor": "verl asks for two prompts for each group that it drops",
    "filter.dynamic.max_rollout_batches": "verl goes on until the batch is full",
    "steps": _NO_TENSOR,
    "vine": _NO_TENSOR,
    "prm": _NO_TENSOR,
    "train.max_skipped_updates": "verl skips such an update and goes on",
    "watch": _HERE_ALONE,
    "log.rollouts_every": "verl's is trainer.rollout_data_dir",
    "log.rollout_groups": "verl's is trainer.rollout_data_dir",
    "log.sinks": "verl's is trainer.logger",
    "log.metric_names": "verl logs under its own names",
    "log.project": "verl's is trainer.project_name",
    "log.run_name": "verl's is trainer.experiment_name",
}
"""Why a setting has no meaning there; told where one was set."""

REFUSED: Mapping[str, str] = {
    "task.chain": _LAB,
    "task.calculator": _LAB,
    "model.lora.rank_stabilised": (
        "verl's scale is alpha / rank: remove it, and multiply model.lora.alpha by the root of model.lora.rank"
    ),
    "verify.function": _ONE_AT_A_TIME,
    "verify.code.sandbox": "each node takes the strongest sandbox that works there: set it to auto",
    "verify.code.test_cpu_s": _IN_PROCESS,
    "verify.code.response_s": _IN_PROCESS,
    "verify.code.memory_mib": _IN_PROCESS,
    "reward.functions": _ONE_AT_A_TIME,
    "filter.zero_variance": "verl never makes a batch smaller: take filter.type=dynamic or none",
    "reference.periodic": _REFERENCE,
    "reference.ema": _REFERENCE,
    "reference.old_policy": _REFERENCE,
    "reference.frozen.weights": (
        "verl's reference has weights like the policy's: remove it; reference.device=cpu does work there"
    ),
    "critic.trunk": "verl's critic is a model of its own: set it to own",
}
"""What to do about a setting without which the numbers would be others."""


@dataclass(frozen=True)
class Leaf:
    """One setting of a config.

    Attributes:
        key: as a user writes it.
        place: where its fate stands.
        value: what it is.
        default: what it would be.
    """

    key: str
    place: str
    value: Any
    default: Any

    @property
    def is_set(self) -> bool:
        """Whether it is not the default."""
        return bool(self.value != self.default)


def leaves(section: BaseModel, key: str = "", place: str = "") -> Iterator[Leaf]:
    """The settings of a section and of those within it; hyper-parameters of methods and surrogates are none."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{key}{name}.", f"{place}{name}.{tag_of(type(value))}")
        else:
            yield Leaf(key + name, place + name, value, field.get_default(call_default_factory=True))


def tag_of(section: type[BaseModel]) -> str:
    """``dynamic.`` for a section that is one of several types; empty for any other."""
    field = section.model_fields.get("type")
    if field is None or typing.get_origin(field.annotation) is not typing.Literal:
        return ""
    return f"{typing.get_args(field.annotation)[0]}."


def fate_of(place: str) -> tuple[Fate, str]:
    """The fate of a setting and why.

    Raises:
        LookupError: it has none.
    """
    if place in TRANSLATED:
        return Fate.TRANSLATED, ""
    words = place.split(".")
    for length in range(len(words), 0, -1):
        part = ".".join(words[:length])
        if part in DATA:
            return Fate.DATA, ""
        if part in STAYS:
            return Fate.STAYS, STAYS[part]
        if part in REFUSED:
            return Fate.REFUSED, REFUSED[part]
    raise LookupError(place)


def check_possible(config: Config, has_critic: bool) -> None:
    """Refuse what verl cannot do and must not leave out.

    Raises:
        ConfigError: names the first such key, its value and what to do.
    """
    for leaf in leaves(config):
        fate, remedy = fate_of(leaf.place)
        is_read = has_critic or not leaf.key.startswith("critic.")
        if fate is Fate.REFUSED and leaf.is_set and is_read:
            value = "set" if isinstance(leaf.value, tuple) else repr(leaf.value)
            raise ConfigError(f"{leaf.key} is {value}, and {remedy}")


def left_behind(config: Config, has_critic: bool) -> list[str]:
    """A line for each setting that was made and has no meaning in verl: ``watch.fall=0.3: why``."""
    lines = []
    for leaf in leaves(config):
        fate, why = fate_of(leaf.place)
        if leaf.key.startswith("critic.") and not has_critic:
            fate, why = Fate.STAYS, f"credit.type {config.credit.type} has no critic"
        if fate is Fate.STAYS and leaf.is_set:
            lines.append(f"{leaf.key}={leaf.value}: {why}")
    return lines
