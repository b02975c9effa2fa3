"""Our config in the words of verl 0.9.1: what is set there, and what is told beside it."""

from dataclasses import dataclass
from pathlib import Path

from spro.config import (
    AccuracyWindowFilter,
    Config,
    DynamicFilter,
    FrozenReference,
    OptimizerConfig,
)
from spro.credit import METHODS, Method
from spro.errors import ConfigError
from spro.loss import Surrogate
from spro.named import CREDIT_TYPES, LOSS_TYPES
from spro.plugins.launch.data import drawn_prompts, has_held_out
from spro.plugins.launch.differences import differences
from spro.plugins.launch.fates import check_possible, left_behind
from spro.plugins.launch.literal import Value
from spro.plugins.verl_names import PREFIX, loss_mode, missing_in_verl, verl_name

VLLM_IS_CAP = 2.0
"""Of ``loss.rollout_is_cap`` where none is set and vLLM samples, as in spro's own trainer."""
MAX_SEED = 2**32
"""numpy's and vLLM's."""
REWARD = "reward.custom_reward_function"
POLICY = "actor_rollout_ref"
ACTOR = f"{POLICY}.actor"

Overrides = dict[str, Value]
"""Key of verl -> value; a ``+`` before a key that verl's yaml has not."""


@dataclass(frozen=True)
class Translation:
    """A config in verl's words.

    Attributes:
        overrides: of verl's ``ppo_trainer.yaml``.
        stays: a line for each setting that was made here and means nothing there.
        differs: a line for each thing that verl does in another way.
        folder: where the data files are written.
    """

    overrides: Overrides
    stays: tuple[str, ...]
    differs: tuple[str, ...]
    folder: Path


def translate(config: Config, run_dir: Path) -> Translation:
    """The whole config.

    Args:
        config: of a run.
        run_dir: absolute; its folder ``verl`` holds the data.

    Raises:
        ConfigError: a hyper-parameter is impossible, or verl cannot do what is asked and would give other numbers; one
            line that names key, value and what to do.
    """
    _check_tensors(config.credit.type)
    method = CREDIT_TYPES.build(config.credit.type, config.credit.hyper_parameters)
    surrogate = LOSS_TYPES.build(config.loss.type, config.loss.hyper_parameters)
    has_critic = "values" in method.needs
    check_possible(config, has_critic)
    folder = run_dir / "verl"
    overrides: Overrides = {
        **_data(config, folder),
        **_model(config),
        **_rollout(config),
        **_reference(config),
        **_credit(config, method),
        **_filter(config),
        **_loss(config, surrogate),
        **_update(config),
        **(_critic(config) if has_critic else {}),
        **_reward(config),
        **_trainer(config, run_dir),
    }
    _check_text(overrides)
    stays = tuple(left_behind(config, has_critic))
    return Translation(overrides, stays, tuple(differences(config, has_critic)), folder)


def _check_tensors(name: str) -> None:
    """Before its hyper-parameters are looked at, which would then be mended in vain."""
    missing = sorted(missing_in_verl(METHODS[name].needs)) if name in METHODS else []
    if missing:
        possible = ", ".join(name for name, other in METHODS.items() if not missing_in_verl(other.needs))
        raise ConfigError(
            f"credit.type is {name!r}, which needs {', '.join(missing)}, and verl computes no such thing: take "
            f"one of {possible}"
        )


def _check_text(overrides: Overrides) -> None:
    for key, value in overrides.items():
        if "${" in str(value):
            raise ConfigError(f"{key} would be {str(value)!r}, in which verl looks up what stands in ${{}}: rename it")


def _data(config: Config, folder: Path) -> Overrides:
    held_out = "held_out.parquet" if has_held_out(config) else "train.parquet"
    if config.seed >= MAX_SEED:
        raise ConfigError(f"seed is {config.seed}, and vLLM takes none above {MAX_SEED - 1}: lower it")
    return {
        "data.train_files": folder / "train.parquet",
        "data.val_files": folder / held_out,
        "data.train_batch_size": config.train.prompts_per_step,
        "data.max_prompt_length": config.rollout.max_prompt_length,
        "data.max_response_length": config.rollout.max_response_length,
        "data.filter_overlong_prompts": True,
        "data.seed": config.seed,
    }


def _model(config: Config) -> Overrides:
    model = config.model
    if model.path.startswith("builtin:"):
        raise ConfigError(f"model.path is {model.path!r}, which only spro knows: give a model folder or a hub id")
    place = Path(model.path).expanduser()
    overrides: Overrides = {
        f"{POLICY}.model.path": str(place.resolve()) if place.exists() else model.path,
        f"{POLICY}.model.enable_gradient_checkpointing": model.gradient_checkpointing,
        **_lora(config),
    }
    if model.dtype == "float32":
        # verl's actor and reference have a precision each: in two, they would differ from the first step on.
        for name in ("actor", "ref"):
            overrides[f"+{POLICY}.{name}.fsdp_config.mixed_precision.param_dtype"] = "fp32"
        overrides[f"{POLICY}.rollout.dtype"] = "float32"
    return overrides


def _lora(config: Config) -> Overrides:
    lora = config.model.lora
    if lora is None:
        return {}
    if not lora.alpha.is_integer():
        raise ConfigError(f"model.lora.alpha is {lora.alpha:g}, and verl's is a whole number: round it")
    modules: Value = list(lora.target_modules)
    return {
        f"{POLICY}.model.lora_rank": lora.rank,
        f"{POLICY}.model.lora_alpha": int(lora.alpha),
        f"{POLICY}.model.target_modules": "all-linear" if modules == ["all-linear"] else modules,
    }


def _rollout(config: Config) -> Overrides:
    rollout = config.rollout
    validation = f"{POLICY}.rollout.val_kwargs"
    return {
        f"{POLICY}.rollout.name": "vllm",
        f"{POLICY}.rollout.n": rollout.group_size,
        f"{POLICY}.rollout.temperature": rollout.temperature,
        f"{POLICY}.rollout.top_p": rollout.top_p,
        # vLLM's word for all of them.
        f"{POLICY}.rollout.top_k": rollout.top_k or -1,
        f"{POLICY}.rollout.seed": config.seed,
        f"{POLICY}.rollout.calculate_log_probs": True,
        f"{validation}.do_sample": True,
        f"{validation}.temperature": rollout.temperature,
        "algorithm.rollout_correction.rollout_is": "token",
        "algorithm.rollout_correction.rollout_is_threshold": config.loss.rollout_is_cap or VLLM_IS_CAP,
    }


def _reference(config: Config) -> Overrides:
    reference = config.reference
    in_host_memory = isinstance(reference, FrozenReference) and reference.device == "cpu"
    return {f"{POLICY}.ref.fsdp_config.param_offload": True} if in_host_memory else {}


def _credit(config: Config, method: Method) -> Overrides:
    values = CREDIT_TYPES.values(method)
    chosen = {f"+algorithm.{PREFIX}.{key}": values[key] for key in config.credit.hyper_parameters}
    return {"algorithm.adv_estimator": verl_name(method.name), **chosen}


def _filter(config: Config) -> Overrides:
    section = config.filter
    if isinstance(section, DynamicFilter):
        # The score, and not the reward that is trained on: a price of length must not make groups unequal.
        return {"algorithm.filter_groups.enable": True, "algorithm.filter_groups.metric": "acc"}
    if not isinstance(section, AccuracyWindowFilter):
        return {}
    # Refuses a factor that verl would refuse only when it runs.
    drawn_prompts(config)
    keys = ("oversample_factor", "accuracy_low", "accuracy_high")
    return {f"+algorithm.{PREFIX}_filter.{key}": getattr(section, key) for key in keys}


def _loss(config: Config, surrogate: Surrogate) -> Overrides:
    loss = config.loss
    # All of them: verl's defaults are PPO's for every surrogate.
    overrides: Overrides = {f"{ACTOR}.{key}": value for key, value in LOSS_TYPES.values(surrogate).items()}
    overrides |= {
        f"{ACTOR}.policy_loss.loss_mode": loss_mode(surrogate.name),
        f"{ACTOR}.loss_agg_mode": loss.loss_reduction,
        f"{ACTOR}.entropy_coeff": loss.entropy_coef,
    }
    if loss.loss_reduction == "seq-mean-token-sum-norm":
        overrides[f"{ACTOR}.loss_scale_factor"] = config.rollout.max_response_length
    if loss.kl_loss_coef > 0:
        overrides |= {
            f"{ACTOR}.use_kl_loss": True,
            f"{ACTOR}.kl_loss_coef": loss.kl_loss_coef,
            f"{ACTOR}.kl_loss_type": loss.kl_estimator,
        }
    return overrides


def _update(config: Config) -> Overrides:
    train, limit = config.train, config.rollout.max_prompt_length + config.rollout.max_response_length
    if train.micro_batch_tokens < limit:
        raise ConfigError(
            f"train.micro_batch_tokens is {train.micro_batch_tokens}, and verl takes no sequence that is longer: set "
            f"it to {limit} or more (rollout.max_prompt_length + max_response_length)"
        )
    return {
        f"{ACTOR}.ppo_mini_batch_size": _mini_batch(config, "train", train.mini_batches),
        f"{ACTOR}.ppo_epochs": train.update_epochs,
        f"{ACTOR}.use_dynamic_bsz": True,
        f"{ACTOR}.ppo_max_token_len_per_gpu": train.micro_batch_tokens,
        f"{ACTOR}.data_loader_seed": config.seed,
        **_optimizer(ACTOR, "optimizer", config.optimizer, train.update_epochs * train.mini_batches),
    }


def _critic(config: Config) -> Overrides:
    critic = config.critic
    if config.model.lora is not None:
        raise ConfigError(
            f"model.lora is set, and credit.type {config.credit.type!r} has a critic, whose head verl would not train "
            "with it: remove model.lora, or take a method without a critic"
        )
    overrides: Overrides = {
        "critic.enable": True,
        "critic.model.path": _model(config)[f"{POLICY}.model.path"],
        "critic.model.enable_gradient_checkpointing": config.model.gradient_checkpointing,
        "critic.ppo_mini_batch_size": _mini_batch(config, "critic", critic.mini_batches),
        "critic.ppo_epochs": critic.update_epochs,
        "critic.ppo_max_token_len_per_gpu": config.train.micro_batch_tokens,
        "critic.cliprange_value": critic.value_clip,
        "critic.loss_agg_mode": "token-mean",
        "critic.data_loader_seed": config.seed,
        **_optimizer("critic", "critic", critic, critic.update_epochs * critic.mini_batches),
        # The first step in which verl's policy learns.
        "trainer.critic_warmup": critic.head_start + 1 if critic.head_start else 0,
        "trainer.max_critic_ckpt_to_keep": config.log.keep_checkpoints,
    }
    if config.model.dtype == "float32":
        overrides["+critic.fsdp.mixed_precision.param_dtype"] = "fp32"
    return overrides


def _optimizer(section: str, ours: str, optimizer: OptimizerConfig, per_step: int) -> Overrides:
    if optimizer.warmup_steps % per_step:
        raise ConfigError(
            f"{ours}.warmup_steps is {optimizer.warmup_steps}, and verl's rate changes once a training step, which has "
            f"{per_step} optimizer steps: take a multiple of {per_step}"
        )
    return {
        f"{section}.optim.lr": optimizer.learning_rate,
        f"{section}.optim.weight_decay": optimizer.weight_decay,
        f"{section}.optim.lr_warmup_steps": optimizer.warmup_steps // per_step,
        f"{section}.optim.lr_scheduler_type": optimizer.decay,
        # What the engine reads; the section's own grad_clip it does not.
        f"{section}.optim.clip_grad": optimizer.max_grad_norm,
    }


def _mini_batch(config: Config, section: str, mini_batches: int) -> int:
    prompts, rest = divmod(config.train.prompts_per_step, mini_batches)
    if rest:
        raise ConfigError(
            f"{section}.mini_batches is {mini_batches}, and verl cuts into equal ones: take a divisor of "
            f"train.prompts_per_step, {config.train.prompts_per_step}"
        )
    return prompts


def _reward(config: Config) -> Overrides:
    verify, reward = config.verify, config.reward
    overrides: Overrides = {f"{REWARD}.path": "pkg://spro.plugins.verl.reward", f"{REWARD}.name": "compute_score"}
    settings = (
        ("boxes", verify.math.boxes, "last"),
        ("max_tests", verify.code.max_tests, None),
        ("prime_compat", verify.code.prime_compat, False),
    )
    overrides |= {f"+{REWARD}.reward_kwargs.{key}": value for key, value, default in settings if value != default}
    if reward.overlong_buffer:
        buffer = "+reward.reward_kwargs.overlong_buffer_cfg"
        overrides |= {
            "reward.reward_manager.name": "dapo",
            "+reward.reward_kwargs.max_resp_len": config.rollout.max_response_length,
            f"{buffer}.enable": True,
            f"{buffer}.len": reward.overlong_buffer,
            f"{buffer}.penalty_factor": reward.overlong_penalty,
            f"{buffer}.log": False,
        }
    return overrides


def _trainer(config: Config, run_dir: Path) -> Overrides:
    is_evaluated = has_held_out(config) and config.evaluate.every > 0
    return {
        "trainer.total_training_steps": config.train.steps,
        # No step takes more than one: the steps end the run first.
        "trainer.total_epochs": config.train.steps,
        "trainer.test_freq": config.evaluate.every if is_evaluated else -1,
        "trainer.val_before_train": is_evaluated,
        "trainer.save_freq": config.log.checkpoint_every,
        "trainer.max_actor_ckpt_to_keep": config.log.keep_checkpoints,
        "trainer.default_local_dir": run_dir / "checkpoints",
        "trainer.project_name": PREFIX,
        "trainer.experiment_name": run_dir.name,
        # Neither needs an account.
        "trainer.logger": ["console", "file"],
        # As an override and not in the environment, which a Ray elsewhere would not have.
        "+ray_kwargs.ray_init.runtime_env.env_vars.VERL_FILE_LOGGER_PATH": _log_file(run_dir / "verl"),
    }


def _log_file(folder: Path) -> Path:
    """One that no earlier launch has written: verl would empty it."""
    names = ("metrics.jsonl", *(f"metrics-{number}.jsonl" for number in range(2, 1000)))
    return next(folder / name for name in names if not (folder / name).exists())
