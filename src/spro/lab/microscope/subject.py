"""What is looked at: a policy, its reference and the models beside it, from a run folder or from models."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from spro.config import Config
from spro.errors import ModelError, RunFolderError
from spro.lab.microscope.config import Request
from spro.models import Policy, load_policy, restore_model
from spro.settings import load_config
from spro.train.checkpoint import STATE, Checkpoints, problem_with
from spro.train.companions import BUILDERS, build_sources
from spro.train.critic import Critic
from spro.train.experience import Experience
from spro.train.interrupt import StopRequest
from spro.train.log_probs import OldLogProbs, RefLogProbs
from spro.train.reward_model import RewardModel
from spro.train.saving import TRAINING, fingerprint
from spro.train.setup import build_credit
from spro.train.source import Scoring, Source
from spro.train.state import RunState

Maker = Callable[[Experience], Tensor]
"""Makes one optional tensor of ``TokenBatch`` and learns nothing."""
TRAINED = {RewardModel.tensor: "a trained reward model", Critic.tensor: "a trained critic"}
"""Tensors that only a model makes which a run has trained -> how it is called."""


@dataclass(frozen=True)
class Subject:
    """A policy under the microscope.

    Attributes:
        name: of folder and page.
        config: of the run, or of the words that were given.
        policy: whose responses are looked at.
        makers: by the tensor that they make, in an order in which each may read those before it.
        called: the policy, for a reader.
        reference: for a reader.
    """

    name: str
    config: Config
    policy: Policy
    makers: Mapping[str, Maker]
    called: str
    reference: str


def open_subject(request: Request) -> Subject:
    """Load what the request names.

    Raises:
        UserError: it is neither a run with a whole checkpoint nor a model, or a setting is wrong.
    """
    folder = Path(request.target).expanduser()
    is_run = (folder / "config.yaml").is_file() and not (folder / "config.json").is_file()
    return _open_run(folder, request) if is_run else _open_model(request)


def _open_run(folder: Path, request: Request) -> Subject:
    """The policy of a checkpoint; what stands beside it is made from the first policy, as a resumed run does."""
    if request.config.reference is not None:
        raise RunFolderError(f"{request.target!r} is a run, which has its own reference: leave reference= out")
    config = load_config(folder / "config.yaml", [*request.overrides, _group_size(request)])
    checkpoint = _pick_checkpoint(folder, request.config.step)
    policy = _load(config)
    state = RunState.load(checkpoint / STATE)
    if fingerprint(policy.model) != state.initial:
        raise RunFolderError(
            f"the run began from another model than is in {config.model.path!r} now; its reference is lost. Put the "
            "model back, or name where it is with model.path="
        )
    states = {path.stem: load_file(path) for path in (checkpoint / TRAINING).glob("*.safetensors")}
    held = BUILDERS.keys() - (TRAINED.keys() - states.keys())
    sources = build_sources(config, policy.model, held, build_credit(config.credit), StopRequest())
    restore_model(checkpoint, policy)
    for source in sources:
        if source.tensor in states:
            source.load(states[source.tensor])
    makers = {source.tensor: _maker(source) for source in sources}
    name, reference = folder.resolve().name, f"{config.reference.type}, from {config.model.path}"
    return Subject(name, config, policy, makers, f"step {state.step} of {name}", reference)


def _pick_checkpoint(folder: Path, step: int | None) -> Path:
    """A whole one that a run can go on from; nothing is put aside, since the run may still be going on."""
    there = list(_newest_first(Checkpoints(folder / "checkpoints", keep=1)))
    wanted = [path for path in there if step is None or path.name == f"step-{step}"]
    if not wanted:
        asked = "checkpoint" if step is None else f"checkpoint of step {step}"
        listed = ", ".join(path.name for path in there) or "none"
        raise RunFolderError(f"the run {str(folder)!r} has no {asked}; there are: {listed}")
    problems = [_problem_with(path) for path in wanted]
    if "" in problems:
        return wanted[problems.index("")]
    raise RunFolderError(f"the checkpoint {str(wanted[0])!r} cannot be looked at: {problems[0]}")


def _newest_first(checkpoints: Checkpoints) -> Iterator[Path]:
    path = checkpoints.newest()
    while path is not None:
        yield path
        path = checkpoints.newest_up_to(int(path.name.removeprefix("step-")) - 1)


def _problem_with(checkpoint: Path) -> str:
    problem = problem_with(checkpoint)
    return problem or ("" if (checkpoint / STATE).is_file() else f"it keeps a model and no {STATE}")


def _maker(source: Source) -> Maker:
    if isinstance(source, RewardModel):
        # Its own scoring is the pass in which it learns.
        return lambda experience: source.scoring.log_probs(source.model, experience)
    return lambda experience: source.score(experience)[0]


def _open_model(request: Request) -> Subject:
    """A model, and another one as its reference if there is one."""
    if request.config.step is not None:
        raise ModelError(f"{request.target!r} is no run folder, so there is no step={request.config.step} of it")
    # As JSON, which is YAML too: a path may hold what YAML gives a meaning.
    path = f"model.path={json.dumps(request.target)}"
    config = load_config(None, [*request.overrides, path, _group_size(request)])
    policy = _load(config)
    scoring = Scoring(config.rollout.temperature, config.train.micro_batch_tokens)
    other = request.config.reference
    reference = policy if other is None else load_policy(other, config.model.device, config.model.dtype)
    if reference.tokenizer.get_vocab() != policy.tokenizer.get_vocab():
        raise ModelError(f"reference is {other!r}, whose tokens are not those of {request.target!r}: choose another")
    makers: dict[str, Maker] = {
        OldLogProbs.tensor: lambda experience: scoring.log_probs(policy.model, experience),
        RefLogProbs.tensor: lambda experience: scoring.log_probs(reference.model, experience),
    }
    name = request.target.rstrip("/").rpartition("/")[2].replace("builtin:", "") or "model"
    return Subject(name, config, policy, makers, request.target, other or "the policy itself")


def _group_size(request: Request) -> str:
    return f"rollout.group_size={request.config.group_size}"


def _load(config: Config) -> Policy:
    torch.set_num_threads(config.model.threads)
    model = config.model
    return load_policy(model.path, model.device, model.dtype, model.lora, config.seed)
