"""What the plug-in sets in a stock config of verl, and what it leaves alone."""

import logging
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from tiny import save_model
from verl.trainer.ppo.utils import need_critic, need_reference_policy

from spro.errors import ConfigError
from spro.plugins.verl.arrange import arrange_filter, arrange_scores, find_estimator
from spro.plugins.verl.estimators import ESTIMATORS

DYNAMIC = "actor_rollout_ref.actor.use_dynamic_bsz=True"
MICRO = ("actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=1", "data.train_batch_size=256")
ROLLOUT_MICRO = "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=1"
FP32 = "+actor_rollout_ref.{}.fsdp_config.mixed_precision.param_dtype=fp32"


def stock(*overrides: str) -> DictConfig:
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", ["actor_rollout_ref.rollout.name=vllm", DYNAMIC, *overrides])
    OmegaConf.resolve(config)
    return config


def arranged(name: str, *overrides: str) -> DictConfig:
    config = stock(f"algorithm.adv_estimator={name}", *overrides)
    arrange_scores(config, ESTIMATORS[name])
    return config


def test_the_reference_is_computed_though_no_kl_is_asked() -> None:
    assert not need_reference_policy(stock("algorithm.adv_estimator=spro"))
    config = arranged("spro", "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=3")
    assert need_reference_policy(config)
    assert config.algorithm.kl_ctrl.kl_coef == 0
    assert config.algorithm.kl_ctrl.type == "fixed"
    assert config.actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu == 3
    assert not need_critic(config)


def test_a_method_that_needs_no_reference_changes_nothing() -> None:
    assert arranged("spro_grpo") == stock("algorithm.adv_estimator=spro_grpo")


@pytest.mark.parametrize(
    "asked",
    [
        ["algorithm.use_kl_in_reward=True", "algorithm.kl_ctrl.kl_coef=0.01"],
        ["actor_rollout_ref.actor.use_kl_loss=True", "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=1"],
    ],
)
def test_a_kl_that_is_asked_for_stays_as_it_is(asked: list[str]) -> None:
    assert arranged("spro", *asked) == stock("algorithm.adv_estimator=spro", *asked)


def test_the_reference_computes_in_the_precision_of_the_actor(caplog: pytest.LogCaptureFixture) -> None:
    config = arranged("spro", FP32.format("actor"))
    assert config.actor_rollout_ref.ref.fsdp_config.mixed_precision.param_dtype == "fp32"
    assert not caplog.records


def test_two_precisions_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        arranged("spro", "actor_rollout_ref.actor.use_kl_loss=True", FP32.format("actor"))
    assert "mixed_precision is {'param_dtype': 'fp32'} and that of actor_rollout_ref.ref is None" in caplog.text
    caplog.clear()
    arranged("spro", "actor_rollout_ref.actor.use_kl_loss=True", FP32.format("actor"), FP32.format("ref"))
    assert not caplog.records


def test_log_probs_of_the_engine_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    arranged("spro", "algorithm.rollout_correction.bypass_mode=True")
    assert "bypass_mode" in caplog.text


def test_a_method_with_values_gets_a_critic(tmp_path: Path) -> None:
    assert need_critic(arranged("spro_ppo", f"critic.model.path={save_model(tmp_path)}"))
    with pytest.raises(ConfigError, match=r"'spro_ppo', which needs a critic: remove critic.enable=False"):
        arranged("spro_ppo", "critic.enable=False")


def test_a_wrong_hyper_parameter_is_told_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'algorithm.spro.betta'"):
        arranged("spro", "+algorithm.spro.betta=1")


def test_an_unknown_estimator_is_told_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match=r"algorithm.adv_estimator is 'sproo'; did you mean 'spro'\?"):
        find_estimator(stock("algorithm.adv_estimator=sproo"))


def test_one_of_verls_own_is_left_to_it(caplog: pytest.LogCaptureFixture) -> None:
    assert find_estimator(stock("algorithm.adv_estimator=grpo")) is None
    assert not caplog.records
    assert find_estimator(stock("algorithm.adv_estimator=grpo", "+algorithm.spro.beta=0.1")) is None
    assert "algorithm.spro is set, and algorithm.adv_estimator is verl's own 'grpo'" in caplog.text


def test_what_verl_would_only_find_later_is_found_when_the_reference_is_turned_on() -> None:
    # Without one of ours verl checks no micro-batch of a reference.
    with pytest.raises(ValueError, match="log_prob_micro_batch_size_per_gpu"):
        arranged("spro", "actor_rollout_ref.actor.use_dynamic_bsz=False", *MICRO)
    arranged("spro_grpo", "actor_rollout_ref.actor.use_dynamic_bsz=False", *MICRO, ROLLOUT_MICRO)
    arranged("spro", "actor_rollout_ref.actor.use_dynamic_bsz=False", *MICRO, ROLLOUT_MICRO)


@pytest.mark.parametrize("name", ["gspo", "cispo"])
def test_radii_of_another_loss_are_warned_of(name: str, caplog: pytest.LogCaptureFixture) -> None:
    mode = f"actor_rollout_ref.actor.policy_loss.loss_mode=spro_{name}"
    arranged("spro", mode)
    assert f"loss_mode is spro_{name} with verl's clip_ratio_low and clip_ratio_high of 0.2" in caplog.text
    caplog.clear()
    arranged("spro", mode, "actor_rollout_ref.actor.clip_ratio_high=0.3")
    assert not caplog.records


def test_without_the_section_there_is_no_filter() -> None:
    config = stock()
    assert arrange_filter(config) is None
    assert config == stock()


@pytest.mark.parametrize(("factor", "drawn", "fetched"), [("2", 2048, 1024), ("1.5", 1536, 512), ("1", 1024, 1024)])
def test_the_filter_draws_more_prompts(factor: str, drawn: int, fetched: int) -> None:
    config = stock(f"+algorithm.spro_filter.oversample_factor={factor}", "+algorithm.spro_filter.accuracy_high=0.9")
    assert arrange_filter(config) == drawn
    assert config.trainer.v1.sampler.sampler_kwargs.drawn == drawn
    assert config.trainer.v1.sampler.custom_sampler.name == "WindowedBuffer"
    assert list(config.trainer.v1.sampler.sampler_kwargs.window) == [0.2, 0.9]
    assert config.data.gen_batch_size == fetched


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["+algorithm.spro_filter.oversample=2"], r"unknown key 'algorithm.spro_filter.oversample'; did you mean"),
        (["+algorithm.spro_filter.oversample_factor=much"], "oversample_factor is 'much', and must be a number"),
        (["+algorithm.spro_filter.oversample_factor=0.5"], "oversample_factor is 0.5: of 1024 prompts a step"),
        (["+algorithm.spro_filter.oversample_factor=1.0001"], "must make a whole number"),
        (["+algorithm.spro_filter.accuracy_low=0.9"], "window from 0.9 to 0.8"),
        (
            ["+algorithm.spro_filter.accuracy_low=0.1", "trainer.v1.trainer_mode=colocate_async"],
            "does not go with trainer.v1.trainer_mode=colocate_async",
        ),
        (
            ["+algorithm.spro_filter.accuracy_low=0.1", "algorithm.filter_groups.enable=True"],
            "does not go with algorithm.filter_groups.enable=True",
        ),
        (
            ["+algorithm.spro_filter.accuracy_low=0.1", "trainer.v1.sampler.sync_refill_failed_groups=True"],
            "does not go with trainer.v1.sampler.sync_refill_failed_groups=True",
        ),
        (
            ["+algorithm.spro_filter.accuracy_low=0.1", "skip.rollout_tq.enable=True"],
            "does not go with skip.rollout_tq.enable=True",
        ),
        (
            ["+algorithm.spro_filter.accuracy_low=0.1", "reward.reward_model.enable=True"],
            "does not go with reward.reward_model.enable=True without",
        ),
    ],
)
def test_an_impossible_filter_is_named(overrides: list[str], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        arrange_filter(stock(*overrides))
