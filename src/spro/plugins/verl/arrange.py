"""What a run of verl has to compute so that a method of ours gets what it needs, set in its config before it starts."""

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config

from spro.config import AccuracyWindowFilter
from spro.errors import ConfigError
from spro.plugins.verl.estimators import ESTIMATORS, SECTION, Estimator
from spro.plugins.verl_names import PREFIX, loss_mode
from spro.settings import nearest
from spro.window import AccuracyWindow, prompts_drawn

logger = logging.getLogger("spro")

FILTER_SECTION = "algorithm.spro_filter"
FILTER_DEFAULTS = {
    key: getattr(AccuracyWindowFilter(), key) for key in ("oversample_factor", "accuracy_low", "accuracy_high")
}
PRECISION = ("model_dtype", "mixed_precision", "dtype")
ENGINES = ("fsdp_config", "megatron", "torchtitan", "veomni")
RADII = {"gspo": "3e-4 and 4e-4", "cispo": "1 and 4"}
"""Surrogates whose clip radii are of another order than verl's defaults, and what theirs are."""


def find_estimator(config: DictConfig) -> Estimator | None:
    """The estimator of ours that a run asks for; none where it asks for one of verl's.

    Raises:
        ConfigError: nobody knows it. verl says so too, once all models are loaded and the first rollout is over.
    """
    name = config.algorithm.adv_estimator
    if name not in ADV_ESTIMATOR_REGISTRY:
        raise ConfigError(f"algorithm.adv_estimator is {name!r}; {nearest(name, ADV_ESTIMATOR_REGISTRY)}")
    estimator = ESTIMATORS.get(name)
    if estimator is None and config.algorithm.get(PREFIX):
        logger.warning("%s is set, and algorithm.adv_estimator is verl's own %r, which does not read it", SECTION, name)
    return estimator


def arrange_scores(config: DictConfig, estimator: Estimator) -> None:
    """Have the tensors computed that the estimator's method needs, then let verl check the config once more.

    The reference: verl computes its log-probs only where a KL is asked for, so a KL in the reward is, with the weight
    0, which changes no reward. The critic: verl makes one for its own ``gae`` alone.

    Raises:
        ConfigError: a hyper-parameter is unknown or impossible, or the config forbids what is needed.
    """
    method = estimator.build(config.algorithm)
    with open_dict(config):
        if "ref_log_probs" in method.needs and not need_reference_policy(config):
            _turn_on_reference(config)
        if "values" in method.needs:
            if config.critic.enable is False:
                raise ConfigError(
                    f"algorithm.adv_estimator is {estimator.name!r}, which needs a critic: remove critic.enable=False"
                )
            config.critic.enable = True
    validate_config(config, need_reference_policy(config), need_critic(config))
    for warning in _doubts(config, method.needs):
        logger.warning(warning)


def _turn_on_reference(config: DictConfig) -> None:
    ref, actor = config.actor_rollout_ref.ref, config.actor_rollout_ref.actor
    config.algorithm.use_kl_in_reward = True
    config.algorithm.kl_ctrl.type = "fixed"
    config.algorithm.kl_ctrl.kl_coef = 0.0
    if ref.log_prob_micro_batch_size is None and ref.log_prob_micro_batch_size_per_gpu is None:
        ref.log_prob_micro_batch_size_per_gpu = config.actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu
    for engine in ENGINES:
        for key in PRECISION:
            if engine in ref and engine in actor and actor[engine].get(key) is not None:
                ref[engine][key] = actor[engine][key]


def _doubts(config: DictConfig, needs: frozenset[str]) -> Iterator[str]:
    """What verl allows and a user of our methods can hardly mean."""
    actor, ref, model = (config.actor_rollout_ref[name] for name in ("actor", "ref", "model"))
    # With adapters the reference is the actor without them, and has no settings of its own.
    if "ref_log_probs" in needs and not model.get("lora_rank") and not model.get("lora_adapter_path"):
        for engine in ENGINES:
            for key in PRECISION:
                ours, theirs = ((section.get(engine) or {}).get(key) for section in (actor, ref))
                if ours != theirs:
                    yield (
                        f"actor_rollout_ref.actor.{engine}.{key} is {ours} and that of actor_rollout_ref.ref is "
                        f"{theirs}: the reference then differs from the policy at once, and the difference adds up "
                        "along a response as if it were a reward; set both alike"
                    )
    if "old_log_probs" in needs and OmegaConf.select(config, "algorithm.rollout_correction.bypass_mode"):
        yield (
            "algorithm.rollout_correction.bypass_mode: the credit reads log-probs of the rollout engine, whose "
            "difference from the trainer's adds up along a response as if it were a reward"
        )
    for name, radii in RADII.items():
        if actor.policy_loss.loss_mode == loss_mode(name) and actor.clip_ratio_low == actor.clip_ratio_high == 0.2:
            yield (
                f"policy_loss.loss_mode is {loss_mode(name)} with verl's clip_ratio_low and clip_ratio_high of 0.2, "
                f"which are PPO's; {name} takes {radii}"
            )


def arrange_filter(config: DictConfig) -> int | None:
    """Have groups chosen by their accuracy, if ``algorithm.spro_filter`` is there.

    Returns:
        How many prompts a step rolls out; None without the filter.

    Raises:
        ConfigError: a key is unknown or impossible, or the run has something that does not go with the filter.
    """
    section = config.algorithm.get("spro_filter")
    if section is None:
        return None
    for key in section:
        if key not in FILTER_DEFAULTS:
            raise ConfigError(f"unknown key '{FILTER_SECTION}.{key}'; {nearest(key, FILTER_DEFAULTS)}")
    chosen = {**FILTER_DEFAULTS, **section}
    factor, low, high = (_number(chosen, key) for key in FILTER_DEFAULTS)
    AccuracyWindow(low, high)
    _refuse_beside_filter(config)
    batch_size = config.data.train_batch_size
    try:
        drawn = prompts_drawn(factor, batch_size)
    except ConfigError as error:
        raise ConfigError(f"{FILTER_SECTION}: {error} (data.train_batch_size is {batch_size})") from None
    with open_dict(config):
        config.trainer.v1.sampler.custom_sampler = {
            "path": "pkg://spro.plugins.verl.sampler",
            "name": "WindowedBuffer",
        }
        config.trainer.v1.sampler.sampler_kwargs = {"window": [low, high], "drawn": drawn}
        # verl draws prompts in whole fetches.
        config.data.gen_batch_size = math.gcd(drawn, config.data.get("gen_batch_size") or batch_size)
    return drawn


def _refuse_beside_filter(config: DictConfig) -> None:
    sampler, reward_model = config.trainer.v1.sampler, config.reward.reward_model
    for is_on, name in (
        (config.trainer.v1.trainer_mode != "sync", f"trainer.v1.trainer_mode={config.trainer.v1.trainer_mode}"),
        (bool((config.algorithm.get("filter_groups") or {}).get("enable")), "algorithm.filter_groups.enable=True"),
        (bool((sampler.get("custom_sampler") or {}).get("path")), "trainer.v1.sampler.custom_sampler"),
        (bool(sampler.get("sync_refill_failed_groups")), "trainer.v1.sampler.sync_refill_failed_groups=True"),
        (bool(OmegaConf.select(config, "skip.rollout_tq.enable")), "skip.rollout_tq.enable=True"),
        # Its scores come when the groups are chosen already.
        (
            bool(reward_model.enable and not reward_model.enable_resource_pool),
            "reward.reward_model.enable=True without reward.reward_model.enable_resource_pool=True",
        ),
    ):
        if is_on:
            raise ConfigError(f"{FILTER_SECTION} does not go with {name}: remove one of them")


def _number(section: Mapping[str, Any], key: str) -> float:
    value = section[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{FILTER_SECTION}.{key} is {value!r}, and must be a number")
    return float(value)
