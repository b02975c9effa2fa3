"""The parts of an evaluation. Everything that can be wrong is found here, before anything is written."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from spro import __version__
from spro.errors import ConfigError, DataError, ModelError
from spro.evaluate.config import EvalConfig
from spro.evaluate.facts import Identity
from spro.evaluate.samples import digest, question_hash
from spro.evaluate.settle import as_run, response_length
from spro.models import Policy, load_policy
from spro.rollout import Engine, vllm_version
from spro.tasks import SUITES, LoadReport, Problem, Prompt, Suite, encode_prompts, load_suite
from spro.train.generators import seed_generators
from spro.train.grading import Grading
from spro.train.interrupt import StopRequest
from spro.train.judge import Judge
from spro.train.saving import fingerprint
from spro.train.speaker import build_speaker


@dataclass(frozen=True)
class Asked:
    """What is asked, and what cannot be.

    Attributes:
        prompts: that fit the model, in the order of the data.
        too_long: problems whose prompts leave no room for a response; they count in no share.
        room: tokens that a prompt may have; None where the model has no limit.
        report: what became of the rows of the data.
    """

    prompts: tuple[Prompt, ...]
    too_long: tuple[Problem, ...]
    room: int | None
    report: LoadReport


@dataclass(frozen=True)
class Bench:
    """Who asks, answers and grades.

    Attributes:
        config: of the evaluation.
        suite: that is asked.
        asked: its problems.
        engine: answers.
        judge: grades.
        max_response_length: tokens.
        identity: what an evaluation that goes on must find as it was.
        notes: lines worth telling.
        close: gives back what the engine holds.
    """

    config: EvalConfig
    suite: Suite
    asked: Asked
    engine: Engine
    judge: Judge
    max_response_length: int
    identity: Identity
    notes: tuple[str, ...]
    close: Callable[[], None]


def load_model(config: EvalConfig) -> tuple[Policy, int]:
    """The model, and the tokens that its responses may have.

    Raises:
        ModelError: see ``load_policy``; or it is a run folder, which has several models.
        ConfigError: see ``response_length``.
    """
    path = config.model.path
    if (Path(path) / "checkpoints").is_dir():
        raise ModelError(f"{path!r} is a run folder; give one of its checkpoints: {path}/checkpoints/step-N")
    torch.set_num_threads(config.model.threads)
    seed_generators(config.seed)
    policy = load_policy(path, config.model.device, config.model.dtype)
    return policy, response_length(config, _positions(policy))


def build_bench(config: EvalConfig, policy: Policy, limit: int, grading: Grading, stop: StopRequest) -> Bench:
    """Load, check and connect the parts of an evaluation.

    Args:
        config: settled.
        policy: of ``load_model``.
        limit: tokens that a response may have.
        grading: stays the caller's to close.
        stop: asked between the tokens and while answers are graded.

    Raises:
        UserError: see ``load_suite``, ``Grading``, ``build_speaker``; or no prompt fits the model.
    """
    suite = SUITES[config.suite]
    if grading.columns:
        raise ConfigError(
            f"verify.function wants the column {min(grading.columns)!r}, and the problems of a suite keep none but "
            "problem_id and data_source"
        )
    asked = ask(config, policy, limit, grading)
    notes = grading.prepare({prompt.problem.verifier for prompt in asked.prompts})
    judge = grading.judge(policy.tokenizer, stop.check).of_scores_alone
    run = as_run(config, limit, max(len(prompt.token_ids) for prompt in asked.prompts))
    speaker = build_speaker(run, policy, suite.tool, asked.prompts, stop)
    try:
        speaker.push(0)
    except BaseException:
        speaker.close()
        raise
    return Bench(
        config=config,
        suite=suite,
        asked=asked,
        engine=speaker.engine,
        judge=judge,
        max_response_length=limit,
        identity=_identity(config, policy, asked),
        notes=(*_told(asked), *notes),
        close=speaker.close,
    )


def ask(config: EvalConfig, policy: Policy, limit: int, grading: Grading) -> Asked:
    """The prompts of a suite as the model reads them.

    Raises:
        DataError: see ``load_suite``, or no prompt fits.
    """
    problems, report = load_suite(config.suite, config.path, grading.problem_with, config.max_problems)
    positions = _positions(policy)
    room = None if positions is None else positions - limit
    longest = sys.maxsize if room is None else room
    prompts = encode_prompts(policy.tokenizer, problems, longest, LoadReport(kept=len(problems)))
    fitting = {prompt.problem.problem_id for prompt in prompts}
    too_long = tuple(problem for problem in problems if problem.problem_id not in fitting)
    if not prompts:
        raise DataError(
            f"none of the {len(problems)} prompts fits: the model has {positions} positions, and "
            f"rollout.max_response_length takes {limit} of them; lower it"
        )
    return Asked(prompts, too_long, room, report)


def _positions(policy: Policy) -> int | None:
    return getattr(policy.model.config, "max_position_embeddings", None)


def _told(asked: Asked) -> list[str]:
    lines = [str(asked.report)]
    if asked.too_long:
        lines.append(
            f"{len(asked.too_long)} of {len(asked.too_long) + len(asked.prompts)} problems are not asked, and count in "
            f"no share: their prompts have more than {asked.room} tokens, which is what the model's positions leave "
            f"beside rollout.max_response_length (first: {asked.too_long[0].problem_id})"
        )
    return lines


def _identity(config: EvalConfig, policy: Policy, asked: Asked) -> Identity:
    template = policy.tokenizer.chat_template
    questions = [(prompt.problem.problem_id, question_hash(prompt.problem)) for prompt in asked.prompts]
    return Identity(
        model=fingerprint(policy.model),
        questions=digest(questions),
        template="none" if template is None else digest(template),
        prompts=digest([list(prompt.token_ids) for prompt in asked.prompts]),
        spro=__version__,
        torch=torch.__version__,
        transformers=version("transformers"),
        vllm=vllm_version() if config.rollout.engine == "vllm" else None,
    )
