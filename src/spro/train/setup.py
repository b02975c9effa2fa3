"""From settings to the parts of a run. Everything that can be wrong is found here, before anything is written."""

from collections.abc import Set

import torch

from spro.config import Config, CreditConfig, LossConfig
from spro.credit import METHODS, Method
from spro.errors import ConfigError, DataError
from spro.loss import SURROGATES, Surrogate
from spro.models import Policy, load_policy
from spro.rollout import EmbeddedEngine
from spro.tasks import Prompt, encode_prompts, load_task
from spro.train.experience import Scorer
from spro.train.filter import build_filter
from spro.train.grading import Grading
from spro.train.held_out import HeldOut
from spro.train.loop import Trainer, rolled_out_prompts
from spro.train.named import Registry
from spro.train.order import PromptOrder
from spro.train.prepare import build_preparations, sampling_of
from spro.train.reference import build_reference
from spro.train.run_folder import RunFolder, check_free, pick_run_dir
from spro.train.update import Updater

CREDIT_TYPES: Registry[Method] = Registry("credit", "method", METHODS)
LOSS_TYPES: Registry[Surrogate] = Registry("loss", "surrogate", SURROGATES, frozenset(LossConfig.model_fields))


def build_credit(credit: CreditConfig) -> Method:
    """The credit method with its hyper-parameters; raises ``ConfigError`` as ``Registry.build`` does."""
    return CREDIT_TYPES.build(credit.type, credit.hyper_parameters)


def build_surrogate(loss: LossConfig) -> Surrogate:
    """The surrogate with its hyper-parameters; raises ``ConfigError`` as ``Registry.build`` does."""
    return LOSS_TYPES.build(loss.type, loss.hyper_parameters)


def resolve(config: Config) -> Config:
    """The config with the run folder chosen and every hyper-parameter of method and surrogate written out.

    Raises:
        ConfigError: see ``Registry.build``.
    """
    credit = CREDIT_TYPES.values(build_credit(config.credit))
    surrogate = LOSS_TYPES.values(build_surrogate(config.loss))
    return config.model_copy(
        update={
            "credit": CreditConfig(type=config.credit.type, **credit),
            "loss": config.loss.model_copy(update=surrogate),
            "run_dir": pick_run_dir(config),
        }
    )


def build_trainer(config: Config, grading: Grading) -> Trainer:
    """Load, check and connect the parts of a run; the run folder is made last.

    Args:
        config: resolved.
        grading: stays the caller's to close.

    Raises:
        UserError: see ``load_policy``, ``load_task``, ``build_credit``, ``RunFolder``.
    """
    assert config.run_dir is not None
    check_free(config.run_dir)
    credit, surrogate = build_credit(config.credit), build_surrogate(config.loss)
    needs = credit.needs | ({"ref_log_probs"} if config.loss.kl_loss_coef > 0 else set())
    _check_reference_is_read(config, needs)
    torch.set_num_threads(config.model.threads)
    torch.manual_seed(config.seed)
    task = load_task(config.task, config.seed, grading.problem_with, grading.columns)
    policy = load_policy(config.model.path, config.model.device)
    limit = config.rollout.max_prompt_length
    train_prompts = encode_prompts(policy.tokenizer, task.train, limit, task.report)
    held_out_prompts = encode_prompts(policy.tokenizer, task.held_out, limit, task.report)
    if not train_prompts:
        raise DataError(f"no problem is left to train on: {task.report}")
    _check_lengths(config, policy, train_prompts + held_out_prompts)
    _check_enough(config, len(train_prompts))
    notes = grading.prepare({prompt.problem.verifier for prompt in train_prompts + held_out_prompts})
    judge = grading.judge(policy.tokenizer)
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, config.rollout.max_rows)
    return Trainer(
        config=config,
        policy=policy,
        order=PromptOrder(train_prompts, config.seed),
        engine=engine,
        judge=judge,
        filter=build_filter(config.filter),
        preparations=build_preparations(needs, config, policy, engine, judge),
        scorer=Scorer(
            policy.model,
            needs,
            config.rollout.temperature,
            config.train.micro_batch_size,
            build_reference(config.reference),
        ),
        credit=credit,
        updater=Updater(policy.model, surrogate, config),
        held_out=HeldOut(
            engine,
            judge.of_scores_alone,
            held_out_prompts if config.evaluate.every else (),
            sampling_of(config),
            config.seed,
        ),
        notes=(str(task.report), *notes),
        folder=RunFolder(config.run_dir, config),
    )


def _check_reference_is_read(config: Config, needs: Set[str]) -> None:
    """Refuse a reference that follows the policy where nothing reads one."""
    if config.reference.type != "frozen" and "ref_log_probs" not in needs:
        raise ConfigError(
            f"reference.type is {config.reference.type!r}, and nothing reads a reference: credit.type "
            f"{config.credit.type!r} does not need one, and loss.kl_loss_coef is 0"
        )


def _check_enough(config: Config, prompts: int) -> None:
    """Refuse a step that would have to draw a prompt twice."""
    wanted = rolled_out_prompts(config)
    if wanted > prompts:
        raise ConfigError(
            f"a step rolls out {wanted} prompts (train.prompts_per_step {config.train.prompts_per_step} times "
            f"filter.oversample_factor {config.filter.oversample_factor:g}), and there are {prompts} to train on: "
            "lower either"
        )


def _check_lengths(config: Config, policy: Policy, prompts: tuple[Prompt, ...]) -> None:
    """Refuse lengths that the model's positions do not reach, which would fail in the middle of a run."""
    limit = getattr(policy.model.config, "max_position_embeddings", None)
    longest = max(len(prompt.token_ids) for prompt in prompts)
    wanted = config.rollout.max_response_length
    if limit is not None and longest + wanted > limit:
        remedy = (
            f"lower it to {limit - longest}" if limit > longest else f"lower rollout.max_prompt_length below {limit}"
        )
        raise ConfigError(
            f"rollout.max_response_length is {wanted}; with prompts of up to {longest} tokens that needs "
            f"{longest + wanted} positions, and the model has {limit}: {remedy}"
        )
