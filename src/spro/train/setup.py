"""From settings to the parts of a run. Everything that can be wrong is found here, before anything is written."""

import torch

from spro.config import Config, CreditConfig, LossConfig
from spro.credit import Method
from spro.errors import ConfigError, DataError
from spro.loss import Surrogate
from spro.models import Policy, load_policy
from spro.named import CREDIT_TYPES, LOSS_TYPES
from spro.sinks import build_sinks
from spro.tasks import Prompt, TaskData, encode_prompts, load_task
from spro.train.companions import build_sources, find_needs, memory_saver, pick_teacher, policy_optimizer
from spro.train.filter import build_filter
from spro.train.gather import Gatherer, rolled_out_prompts
from spro.train.generators import seed_generators
from spro.train.grading import Grading
from spro.train.held_out import HeldOut
from spro.train.interrupt import StopRequest
from spro.train.learn import Learner
from spro.train.loop import Trainer
from spro.train.memory import MemoryGauge
from spro.train.order import PromptOrder
from spro.train.prepare import build_preparations, sampling_of
from spro.train.run_folder import RunFolder, check_free, pick_run_dir
from spro.train.saving import Saving
from spro.train.speaker import build_speaker
from spro.train.update import Updater
from spro.train.watch import Watch


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


def build_trainer(config: Config, grading: Grading, stop: StopRequest | None = None, resume: bool = False) -> Trainer:
    """Load, check and connect the parts of a run; the run folder is made last.

    Args:
        config: resolved.
        grading: stays the caller's to close.
        stop: asked between the small parts of a step.
        resume: the run folder may exist, and the run then goes on.

    Raises:
        UserError: see ``load_policy``, ``load_task``, ``build_credit``, ``RunFolder``.
    """
    assert config.run_dir is not None
    if not resume:
        check_free(config.run_dir)
    stop = StopRequest() if stop is None else stop
    credit, surrogate = build_credit(config.credit), build_surrogate(config.loss)
    teacher = pick_teacher(config, credit)
    needs = find_needs(config, credit, teacher)
    torch.set_num_threads(config.model.threads)
    seed_generators(config.seed)
    task = load_task(config.task, config.seed, grading.problem_with, grading.columns)
    model = config.model
    policy = load_policy(model.path, model.device, model.dtype, model.lora, config.seed)
    train_prompts, held_out_prompts = _encode(config, policy, task)
    notes = grading.prepare({prompt.problem.verifier for prompt in train_prompts + held_out_prompts})
    judge = grading.judge(policy.tokenizer, stop.check)
    speaker = build_speaker(config, policy, task.tool, train_prompts, stop)
    engine = speaker.engine
    sources = build_sources(config, policy.model, needs, credit, stop)
    optimizer = policy_optimizer(config, policy.model, needs, stop)
    updater = Updater(policy.model, surrogate, speaker.correction, config, optimizer, memory_saver(config), stop.check)
    sinks = build_sinks(config.log, config.run_dir, config.model_dump(mode="json"))
    folder = RunFolder(config.run_dir, config, resume)
    preparations = build_preparations(needs, config, policy, engine, judge)
    order = PromptOrder(train_prompts, config.seed)
    evaluated = held_out_prompts if config.evaluate.every else ()
    return Trainer(
        config=config,
        gatherer=Gatherer(config, order, engine, judge, build_filter(config.filter), preparations, folder, stop.check),
        learner=Learner(config, policy, needs, sources, credit, teacher, updater),
        held_out=HeldOut(engine, judge.of_scores_alone, evaluated, sampling_of(config), config.seed),
        push=speaker.push,
        close=speaker.close,
        watch=Watch(config.watch),
        saving=Saving(policy, optimizer, sources),
        folder=folder,
        stop=stop,
        gauge=MemoryGauge(policy.model.device),
        sinks=sinks,
        notes=(f"{task.report}; {len(held_out_prompts)} of them held out", *notes),
    )


def _encode(config: Config, policy: Policy, task: TaskData) -> tuple[tuple[Prompt, ...], tuple[Prompt, ...]]:
    """The prompts to train on and those held out, which fit the model and are enough."""
    limit = config.rollout.max_prompt_length
    train_prompts = encode_prompts(policy.tokenizer, task.train, limit, task.report)
    held_out_prompts = encode_prompts(policy.tokenizer, task.held_out, limit, task.report)
    if not train_prompts:
        raise DataError(f"no problem is left to train on: {task.report}")
    check_lengths(config, policy, train_prompts + held_out_prompts)
    _check_enough(config, len(train_prompts))
    return train_prompts, held_out_prompts


def _check_enough(config: Config, prompts: int) -> None:
    """Refuse a step that would have to draw a prompt twice."""
    wanted = rolled_out_prompts(config)
    if wanted > prompts:
        raise ConfigError(
            f"a step rolls out {wanted} prompts (train.prompts_per_step {config.train.prompts_per_step} times "
            f"filter.oversample_factor {config.filter.oversample_factor:g}), and there are {prompts} to train on: "
            "lower either"
        )


def check_lengths(config: Config, policy: Policy, prompts: tuple[Prompt, ...]) -> None:
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
