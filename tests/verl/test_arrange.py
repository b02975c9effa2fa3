"""What the plug-in sets in a stock config of verl, and what it leaves alone."""

import logging

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from verl.trainer.ppo.utils import need_critic, need_reference_policy

from spro.errors import ConfigError
from spro.plugins.verl.arrange import arrange_filter, arrange_scores
from spro.plugins.verl.estimators import ESTIMATORS

FP32 = "+actor_rollout_ref.{}.fsdp_config.mixed_precision.param_dtype=fp32"


def stock(*overrides: str) -> DictConfig:
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", [*overrides, "actor_rollout_ref.rollout.name=vllm"])
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


def test_a_method_with_values_gets_a_critic() -> None:
    assert need_critic(arranged("spro_ppo"))
    with pytest.raises(ConfigError, match=r"'spro_ppo', which needs a critic: remove critic.enable=False"):
        arranged("spro_ppo", "critic.enable=False")


def test_a_wrong_hyper_parameter_is_told_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'algorithm.spro.betta'"):
        arranged("spro", "+algorithm.spro.betta=1")


def test_without_the_section_there_is_no_filter() -> None:
    config = stock()
    assert arrange_filter(config) == 1
    assert config == stock()


@pytest.mark.parametrize(("factor", "fetched"), [("2", 1024), ("1.5", 512), ("1", 1024)])
def test_the_filter_draws_more_prompts(factor: str, fetched: int) -> None:
    config = stock(f"+algorithm.spro_filter.oversample_factor={factor}", "+algorithm.spro_filter.accuracy_high=0.9")
    assert arrange_filter(config) == float(factor)
    assert config.trainer.v1.sampler.custom_sampler.name == "WindowedBuffer"
    assert list(config.trainer.v1.sampler.sampler_kwargs.window) == [0.2, 0.9]
    assert config.data.gen_batch_size == fetched


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["+algorithm.spro_filter.oversample=2"], r"unknown key 'algorithm.spro_filter.oversample'; did you mean"),
        (["+algorithm.spro_filter.oversample_factor=much"], "oversample_factor is 'much', and must be a number"),
        (["+algorithm.spro_filter.oversample_factor=0.5"], "oversample_factor is 0.5: of data.train_batch_size 1024"),
        (["+algorithm.spro_filter.oversample_factor=1.0001"], "must make a whole number of prompts"),
        (["+algorithm.spro_filter.accuracy_low=0.9"], "window from 0.9 to 0.8"),
        (
            ["+algorithm.spro_filter.accuracy_low=0.1", "trainer.v1.trainer_mode=colocate_async"],
            "does not go with trainer.v1.trainer_mode=colocate_async",
        ),
        (
            ["+algorithm.spro_filter.accuracy_low=0.1", "algorithm.filter_groups.enable=True"],
            "does not go with algorithm.filter_groups.enable=True",
        ),
    ],
)
def test_an_impossible_filter_is_named(overrides: list[str], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        arrange_filter(stock(*overrides))
