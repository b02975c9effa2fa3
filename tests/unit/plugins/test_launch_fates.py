"""Every setting has a fate in verl, and that fate is what becomes of it."""

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from spro.config import Config
from spro.errors import ConfigError
from spro.plugins.launch import Translation, translate
from spro.plugins.launch.fates import DATA, REFUSED, STAYS, TRANSLATED, Fate, fate_of, tag_of
from spro.settings import load_config

RUN_DIR = Path("/runs/one")
BASE = ("task.type=eurus", "task.path=rows.parquet", "model.path=owner/model")


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) in (typing.Union, tuple):
        return [section for member in typing.get_args(annotation) for section in sections_of(member)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def places(section: type[BaseModel], place: str = "") -> Iterator[str]:
    """Of every setting that a config can have, whatever the types of its sections."""
    for name, field in section.model_fields.items():
        within = sections_of(field.annotation)
        for inner in within:
            yield from places(inner, f"{place}{name}.{tag_of(inner)}")
        if not within or type(None) in typing.get_args(field.annotation) or isinstance(field.default, tuple):
            yield place + name


PLACES = sorted(set(places(Config)))

CHANGES: dict[str, tuple[str, ...]] = {
    "seed": ("seed=1",),
    "model.path": ("model.path=owner/other",),
    "model.dtype": ("model.dtype=float32",),
    "model.gradient_checkpointing": ("model.gradient_checkpointing=true",),
    "model.lora": ("model.lora={}",),
    "model.lora.rank": ("model.lora={}", "model.lora.rank=8"),
    "model.lora.alpha": ("model.lora={}", "model.lora.alpha=8"),
    "model.lora.rank_stabilised": ("model.lora={}", "model.lora.rank_stabilised=true"),
    "model.lora.target_modules": ("model.lora={}", "model.lora.target_modules=[q_proj,v_proj]"),
    "model.device": ("model.device=cuda:1",),
    "model.threads": ("model.threads=2",),
    "rollout.engine": ("rollout.engine=vllm",),
    "rollout.group_size": ("rollout.group_size=8",),
    "rollout.temperature": ("rollout.temperature=0.5",),
    "rollout.max_prompt_length": ("rollout.max_prompt_length=512",),
    "rollout.max_response_length": ("rollout.max_response_length=512",),
    "rollout.max_rows": ("rollout.max_rows=8",),
    "rollout.max_log_prob_diff": ("rollout.max_log_prob_diff=0.5",),
    "vllm.gpu_memory_utilization": ("vllm.gpu_memory_utilization=0.7",),
    "vllm.cpu_kv_cache_gib": ("vllm.cpu_kv_cache_gib=1",),
    "vllm.enforce_eager": ("vllm.enforce_eager=true",),
    "verify.workers": ("verify.workers=9",),
    "verify.timeout_s": ("verify.timeout_s=9",),
    "verify.math.boxes": ("verify.math.boxes=all_equal",),
    "verify.code.sandbox": ("verify.code.sandbox=landlock",),
    "verify.code.max_tests": ("verify.code.max_tests=3",),
    "verify.code.prime_compat": ("verify.code.prime_compat=true",),
    "verify.code.test_cpu_s": ("verify.code.test_cpu_s=9",),
    "verify.code.response_s": ("verify.code.response_s=9",),
    "verify.code.memory_mib": ("verify.code.memory_mib=512",),
    "verify.function": ("verify.function={path: a.b}",),
    "verify.max_unscored_share": ("verify.max_unscored_share=0.1",),
    "reward.overlong_buffer": ("reward.overlong_buffer=64",),
    "reward.overlong_penalty": ("reward.overlong_buffer=64", "reward.overlong_penalty=0.5"),
    "reward.functions": ("reward.functions=[{path: a.b}]",),
    "filter.accuracy_window.type": ("filter.type=accuracy_window",),
    "filter.accuracy_window.oversample_factor": ("filter.oversample_factor=1.5",),
    "filter.accuracy_window.accuracy_low": ("filter.accuracy_low=0.1",),
    "filter.accuracy_window.accuracy_high": ("filter.accuracy_high=0.9",),
    "filter.zero_variance.type": ("filter.type=zero_variance",),
    "filter.dynamic.type": ("filter.type=dynamic",),
    "filter.dynamic.oversample_factor": ("filter.type=dynamic", "filter.oversample_factor=2"),
    "filter.dynamic.max_rollout_batches": ("filter.type=dynamic", "filter.max_rollout_batches=2"),
    "filter.none.type": ("filter.type=none",),
    "reference.frozen.device": ("reference.device=cpu",),
    "reference.frozen.weights": ("reference.weights=int8",),
    "reference.periodic.type": ("reference.every=2", "reference.type=periodic"),
    "reference.ema.type": ("reference.type=ema",),
    "reference.old_policy.type": ("reference.type=old_policy",),
    "steps.separator": ("steps.separator=;",),
    "vine.samples": ("vine.samples=3",),
    "credit.type": ("credit.type=rloo",),
    "loss.type": ("loss.type=cispo",),
    "loss.loss_reduction": ("loss.loss_reduction=token-mean",),
    "loss.entropy_coef": ("loss.entropy_coef=0",),
    "loss.rollout_is_cap": ("loss.rollout_is_cap=3",),
    "loss.kl_loss_coef": ("loss.kl_loss_coef=0.1",),
    "loss.kl_estimator": ("loss.kl_loss_coef=0.1", "loss.kl_estimator=k2"),
    "prm.update": ("prm.update=before",),
    "prm.decay": ("prm.decay=cosine",),
    "prm.warmup_steps": ("prm.warmup_steps=2",),
    "critic.trunk": ("credit.type=ppo", "critic.trunk=shared"),
    "critic.decay": ("credit.type=ppo", "critic.decay=cosine"),
    "critic.head_start": ("credit.type=ppo", "critic.head_start=3"),
    "critic.warmup_steps": ("credit.type=ppo", "critic.warmup_steps=4"),
    "optimizer.decay": ("optimizer.decay=constant",),
    "train.mini_batches": ("train.mini_batches=4",),
    "evaluate.every": ("task.held_out_problems=8", "evaluate.every=3"),
    "watch.on_collapse": ("watch.on_collapse=stop",),
    "watch.fall": ("watch.fall=0.25",),
    "log.sinks": ("log.sinks=[wandb]",),
    "log.metric_names": ("log.metric_names=verl",),
    "log.project": ("log.project=mine",),
    "log.run_name": ("log.run_name=first",),
}
"""Place -> words that set it to something else than its default, the last of them the one that is looked at."""
FIXED = {
    "run_dir": "given to translate",
    "rollout.top_p": "has one value",
    "rollout.top_k": "has one value",
    "reference.frozen.type": "is the default, and the others are refused",
}
SAME = {"filter.accuracy_window.type", "rollout.engine"}
"""Translated, and yet the overrides are the same: the default, and verl's only one."""
COVERED = (*DATA, "task.chain", "task.calculator", "verify.function", "reward.functions", "filter.zero_variance")
"""Sections of which all that is in them shares a fate, shown by other tests or by the section's type."""
COVERED += ("reference.periodic", "reference.ema", "reference.old_policy")


def words_for(place: str) -> tuple[str, ...]:
    """Those of the table; for a plain number of a section without types, its default and one more."""
    if place in CHANGES:
        return CHANGES[place]
    *names, last = place.split(".")
    section: Any = Config
    for name in names:
        section = sections_of(section.model_fields[name].annotation)[0]
    value = section.model_fields[last].default
    assert type(value) in (int, float), f"say in CHANGES how to set {place}"
    context = ("credit.type=ppo",) if names == ["critic"] else ()
    return (*context, f"{place}={value + 1 if type(value) is int else value * 2 or 0.5}")


def translated(*words: str) -> Translation:
    return translate(load_config(None, [*BASE, *words]), RUN_DIR)


@pytest.mark.parametrize("place", PLACES)
def test_every_setting_has_a_fate(place: str) -> None:
    fate_of(place)


def test_no_fate_is_of_a_setting_that_is_gone() -> None:
    assert set(PLACES) >= TRANSLATED
    for part in (*DATA, *STAYS, *REFUSED):
        assert any(place == part or place.startswith(f"{part}.") for place in PLACES), part


def test_a_setting_without_a_fate_is_found() -> None:
    with pytest.raises(LookupError):
        fate_of("train.patience")
    with pytest.raises(LookupError):
        fate_of("filter.accuracy_window.softness")


def is_tried(place: str) -> bool:
    is_covered = any(place.startswith(f"{part}.") for part in COVERED)
    return place in CHANGES or not (place in FIXED or is_covered)


@pytest.mark.parametrize("place", [place for place in PLACES if is_tried(place)])
def test_its_fate_is_what_becomes_of_it(place: str) -> None:
    *context, word = words_for(place)
    key, fate = word.partition("=")[0], fate_of(place)[0]
    if fate is Fate.REFUSED:
        with pytest.raises(ConfigError, match=rf"^{key}\S* is .*: .+") as caught:
            translated(*context, *BASE, word)
        assert "\n" not in str(caught.value)
        return
    before, after = translated(*context), translated(*context, word)
    told = [line for line in after.stays if line.startswith(f"{key}=")]
    if fate is Fate.STAYS:
        assert after.overrides == before.overrides
        assert len(told) == 1
    else:
        assert fate is Fate.TRANSLATED
        assert not told
        assert (after.overrides != before.overrides) is (place not in SAME)
    assert not translated().stays


@pytest.mark.parametrize("task", ["chain", "calculator"])
def test_lab_tasks_are_refused(task: str) -> None:
    with pytest.raises(ConfigError, match=f"^task.type is '{task}', and a lab task .* train it with spro train"):
        translate(load_config(None, [f"task.type={task}"]), RUN_DIR)


def test_what_is_set_of_a_critic_that_there_is_not_stays_behind() -> None:
    translation = translated("critic.value_clip=0.1", "critic.trunk=shared")
    assert translation.stays == (
        "critic.trunk=shared: credit.type spro has no critic",
        "critic.value_clip=0.1: credit.type spro has no critic",
    )
    assert not any(key.startswith("critic.") for key in translation.overrides)


def test_the_page_says_the_fate_of_every_setting() -> None:
    page = (Path(__file__).parents[3] / "docs/launch.md").read_text()
    said = {
        name: line.split(" | ")[1]
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([\w.]+)`", line.split(" | ")[0])
    }
    words = {Fate.TRANSLATED: "translated", Fate.DATA: "data", Fate.STAYS: "stays behind", Fate.REFUSED: "refused"}
    assert said == {part: words[fate_of(part)[0]] for part in (*TRANSLATED, *DATA, *STAYS, *REFUSED)}
