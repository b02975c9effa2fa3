"""The ready configs: verl's own entry point takes them, and they say what the paper says."""

from importlib.resources import files

import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import omega_conf_to_dataclass, validate_config

from spro.credit import METHODS
from spro.loss import SURROGATES
from spro.plugins.verl.arrange import arrange_filter, arrange_scores
from spro.plugins.verl.estimators import ESTIMATORS
from spro.plugins.verl.losses import policy_losses

NAMES = sorted(
    file.name.removesuffix(".yaml")
    for file in files("spro.plugins.verl.config").iterdir()
    if file.name.startswith("spro_")
)


def composed(name: str) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_module("spro.plugins.verl.config", version_base=None):
        config = compose(name, ["data.train_files=train.parquet", "data.val_files=test.parquet"])
    OmegaConf.resolve(config)
    return config


def test_there_is_one_for_each_size_and_number_of_nodes() -> None:
    assert NAMES == ["spro_14b_many_nodes", "spro_14b_one_node", "spro_7b_many_nodes", "spro_7b_one_node"]


@pytest.mark.parametrize("name", NAMES)
def test_verl_and_the_plug_in_take_it(name: str) -> None:
    config = composed(name)
    estimator = ESTIMATORS[config.algorithm.adv_estimator]
    arrange_scores(config, estimator)
    assert arrange_filter(config) == 512
    assert need_reference_policy(config)
    validate_config(config, use_reference_policy=True, use_critic=need_critic(config))
    assert estimator.build(config.algorithm) == METHODS["spro"]()
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    loss = policy_losses(lambda **_: None)[config.actor_rollout_ref.actor.policy_loss.loss_mode]
    assert loss.build(actor) == SURROGATES["ppo"]()
    assert (actor.optim.lr, actor.optim.lr_scheduler_type) == (1e-6, "cosine")
    assert (config.data.train_batch_size, config.actor_rollout_ref.rollout.n) == (256, 4)
    assert (actor.entropy_coeff, actor.use_kl_loss, actor.loss_agg_mode) == (0.001, False, "seq-mean-token-mean")
    assert (actor.ppo_mini_batch_size, actor.ppo_epochs) == (256, 1)
    gpus = config.trainer.nnodes * config.trainer.n_gpus_per_node
    assert config.data.train_batch_size * config.actor_rollout_ref.rollout.n % gpus == 0
    longest = config.data.max_prompt_length + config.data.max_response_length
    assert actor.ppo_max_token_len_per_gpu >= longest
