"""From settings to the parts of a run. Everything that can be wrong is found here, before anything is written."""

import torch
from pydantic import TypeAdapter, ValidationError

from spro.config import Config, CreditConfig
from spro.credit import METHODS, Method
from spro.errors import ConfigError, DataError
from spro.models import Policy, load_policy
from spro.rollout import EmbeddedEngine
from spro.settings import nearest
from spro.tasks import Prompt, encode_prompts, load_task
from spro.train.experience import Scorer
from spro.train.filter import AccuracyWindow
from spro.train.held_out import HeldOut
from spro.train.loop import Trainer, rolled_out_prompts, sampling_of
from spro.train.order import PromptOrder
from spro.train.run_folder import RunFolder, check_free, pick_run_dir
from spro.train.update import Updater
from spro.verify import Grader


def build_credit(credit: CreditConfig) -> Method:
    """The credit method with its hyper-parameters.

    Raises:
        ConfigError: the name or a hyper-parameter is unknown, or a value is of the wrong type or impossible.
    """
    if credit.type not in METHODS:
        raise ConfigError(f"credit.type is {credit.type!r}; {nearest(credit.type, METHODS)}")
    method = METHODS[credit.type]
    known = method.hyper_parameters()
    for name in credit.hyper_parameters:
        if name not in known:
            raise ConfigError(f"unknown key 'credit.{name}' for the method {credit.type!r}; {nearest(name, known)}")
    try:
        return TypeAdapter(method).validate_python(credit.hyper_parameters)
    except ValidationError as error:
        problem = error.errors()[0]
        # A method's own check speaks of the whole method and names the field itself.
        place = ".".join(["credit", *map(str, problem["loc"])])
        value = f" is {problem['input']!r}" if problem["loc"] else ""
        raise ConfigError(f"{place}{value}: {problem['msg'].removeprefix('Value error, ').lower()}") from error


def resolve(config: Config) -> Config:
    """The config with the run folder chosen and every hyper-parameter of the method written out."""
    credit = build_credit(config.credit)
    values = {name: getattr(credit, name) for name in credit.hyper_parameters()}
    resolved = CreditConfig(type=config.credit.type, **values)
    return config.model_copy(update={"credit": resolved, "run_dir": pick_run_dir(config)})


def build_trainer(config: Config, grader: Grader) -> Trainer:
    """Load, check and connect the parts of a run; the run folder is made last.

    Args:
        config: resolved.
        grader: stays the caller's to close.

    Raises:
        UserError: see ``load_policy``, ``load_task``, ``build_credit``, ``RunFolder``.
    """
    assert config.run_dir is not None
    check_free(config.run_dir)
    credit = build_credit(config.credit)
    torch.set_num_threads(config.model.threads)
    torch.manual_seed(config.seed)
    task = load_task(config.task, config.seed, grader.names)
    policy = load_policy(config.model.path, config.model.device)
    limit = config.rollout.max_prompt_length
    train_prompts = encode_prompts(policy.tokenizer, task.train, limit, task.report)
    held_out_prompts = encode_prompts(policy.tokenizer, task.held_out, limit, task.report)
    if not train_prompts:
        raise DataError(f"no problem is left to train on: {task.report}")
    _check_lengths(config, policy, train_prompts + held_out_prompts)
    _check_enough(config, len(train_prompts))
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, config.rollout.max_rows)
    return Trainer(
        config=config,
        policy=policy,
        order=PromptOrder(train_prompts, config.seed),
        engine=engine,
        grader=grader,
        window=AccuracyWindow(config.filter.accuracy_low, config.filter.accuracy_high),
        scorer=Scorer(policy.model, credit.needs, config.rollout.temperature, config.train.micro_batch_size),
        credit=credit,
        updater=Updater(policy.model, config),
        held_out=HeldOut(
            engine,
            grader,
            policy.tokenizer,
            held_out_prompts if config.evaluate.every else (),
            sampling_of(config),
            config.seed,
        ),
        load_report=task.report,
        folder=RunFolder(config.run_dir, config),
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
