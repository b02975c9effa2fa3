"""What a run of verl has to compute so that a method of ours gets what it needs, set in its config before it starts."""

import logging
import math
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from spro.config import AccuracyWindowFilter
from spro.errors import ConfigError
from spro.plugins.verl.estimators import Estimator
from spro.settings import nearest
from spro.window import AccuracyWindow

logger = logging.getLogger("spro")

FILTER_SECTION = "algorithm.spro_filter"
FILTER_DEFAULTS = {
    "oversample_factor": AccuracyWindowFilter().oversample_factor,
    "accuracy_low": AccuracyWindowFilter().accuracy_low,
    "accuracy_high": AccuracyWindowFilter().accuracy_high,
}
PRECISION = ("model_dtype", "mixed_precision", "dtype")
ENGINES = ("fsdp_config", "megatron", "torchtitan", "veomni")


def arrange_scores(config: DictConfig, estimator: Estimator) -> None:
    """Have the tensors computed that the estimator's method needs.

    The reference: verl computes its log-probs only where a KL is asked for, so a KL in the reward is, with the weight
    0, which changes no reward. The critic: verl makes one for its own ``gae`` alone.

    Raises:
        ConfigError: a hyper-parameter is unknown or impossible, or the config forbids what is needed.
    """
    method = estimator.build(config.algorithm)
    with open_dict(config):
        if "ref_log_probs" in method.needs:
            _arrange_reference(config)
        if "values" in method.needs:
            if config.critic.enable is False:
                raise ConfigError(
                    f"algorithm.adv_estimator is {estimator.name!r}, which needs a critic: remove critic.enable=False"
                )
            config.critic.enable = True
    if "old_log_probs" in method.needs and OmegaConf.select(config, "algorithm.rollout_correction.bypass_mode"):
        logger.warning(
            "algorithm.rollout_correction.bypass_mode: the credit of %s reads log-probs of the rollout engine, whose "
            "difference from the trainer's adds up along a response as if it were a reward",
            estimator.name,
        )


def _arrange_reference(config: DictConfig) -> None:
    ref, actor = config.actor_rollout_ref.ref, config.actor_rollout_ref.actor
    if not (config.algorithm.use_kl_in_reward or actor.use_kl_loss):
        config.algorithm.use_kl_in_reward = True
        config.algorithm.kl_ctrl.type = "fixed"
        config.algorithm.kl_ctrl.kl_coef = 0.0
        if ref.log_prob_micro_batch_size is None and ref.log_prob_micro_batch_size_per_gpu is None:
            ref.log_prob_micro_batch_size_per_gpu = config.actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu
        for engine in ENGINES:
            for key in PRECISION:
                if engine in ref and engine in actor and actor[engine].get(key) is not None:
                    ref[engine][key] = actor[engine][key]
    for engine in ENGINES:
        for key in PRECISION:
            ours, theirs = (_get(section, engine, key) for section in (actor, ref))
            if ours != theirs:
                logger.warning(
                    "actor_rollout_ref.actor.%s.%s is %s and that of actor_rollout_ref.ref is %s: the reference then "
                    "differs from the policy at once, and the difference adds up along a response as if it were a "
                    "reward; set both alike",
                    engine,
                    key,
                    ours,
                    theirs,
                )


def _get(section: DictConfig, engine: str, key: str) -> Any:
    inner = section.get(engine)
    return None if inner is None else inner.get(key)


def arrange_filter(config: DictConfig) -> float:
    """Have groups chosen by their accuracy, if ``algorithm.spro_filter`` is there; returns the oversampling factor.

    Raises:
        ConfigError: a key is unknown or impossible, or another filter or sampler is on.
    """
    section = config.algorithm.get("spro_filter")
    if section is None:
        return 1.0
    for key in section:
        if key not in FILTER_DEFAULTS:
            raise ConfigError(f"unknown key '{FILTER_SECTION}.{key}'; {nearest(key, FILTER_DEFAULTS)}")
    chosen = {**FILTER_DEFAULTS, **section}
    factor, low, high = (_number(chosen, key) for key in FILTER_DEFAULTS)
    AccuracyWindow(low, high)
    sampler = config.trainer.v1.sampler
    for is_on, name in (
        (config.trainer.v1.trainer_mode != "sync", f"trainer.v1.trainer_mode={config.trainer.v1.trainer_mode}"),
        (bool((config.algorithm.get("filter_groups") or {}).get("enable")), "algorithm.filter_groups.enable=True"),
        (bool((sampler.get("custom_sampler") or {}).get("path")), "trainer.v1.sampler.custom_sampler"),
    ):
        if is_on:
            raise ConfigError(f"{FILTER_SECTION} does not go with {name}: remove one of them")
    batch_size = config.data.train_batch_size
    drawn = factor * batch_size
    if factor < 1 or not drawn.is_integer():
        raise ConfigError(
            f"{FILTER_SECTION}.oversample_factor is {factor:g}: of data.train_batch_size {batch_size} it must make a "
            "whole number of prompts, at least as many"
        )
    with open_dict(config):
        sampler.custom_sampler = {"path": "pkg://spro.plugins.verl.sampler", "name": "WindowedBuffer"}
        sampler.sampler_kwargs = {"window": [low, high], "factor": factor}
        fetched = config.data.get("gen_batch_size") or batch_size
        # verl draws prompts in whole fetches.
        config.data.gen_batch_size = math.gcd(int(drawn), int(fetched))
    return factor


def _number(section: dict[str, Any], key: str) -> float:
    value = section[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{FILTER_SECTION}.{key} is {value!r}, and must be a number")
    return float(value)
