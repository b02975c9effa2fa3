"""The models that a run holds beside the policy, as its settings and the needs of its method say; no other is made."""

from collections.abc import Set
from contextlib import nullcontext

from transformers import PreTrainedModel

from spro.config import Config, OptimizerConfig
from spro.credit import Method
from spro.errors import ConfigError
from spro.models import checkpointed, hold_reference, trainable, twin
from spro.train.critic import Critic, own_states, shared_states, value_head
from spro.train.experience import GROUP_TENSORS
from spro.train.interrupt import StopRequest
from spro.train.lessons import KnownLessons, Teacher, choose_teacher
from spro.train.optimizer import Optimizer
from spro.train.reference import build_reference
from spro.train.reward_model import RewardModel
from spro.train.schedule import Schedule
from spro.train.source import OldLogProbs, RefLogProbs, Scoring, Source
from spro.train.update import SavingMemory

IN_ORDER = (OldLogProbs, RefLogProbs, RewardModel, Critic)
"""Kinds of sources; each may read the tensors of those before it."""


def pick_teacher(config: Config, method: Method) -> Teacher:
    """How the run teaches; see ``choose_teacher``."""
    rollout = config.rollout
    longest_group = rollout.group_size * (rollout.max_prompt_length + rollout.max_response_length)
    return choose_teacher(method, config.is_on_policy, longest_group <= config.train.micro_batch_tokens)


def find_needs(config: Config, method: Method, teacher: Teacher) -> frozenset[str]:
    """Optional tensors of ``TokenBatch`` that something in the run reads.

    Raises:
        ConfigError: nothing makes one of them, or nothing reads a reference that is to follow the policy.
    """
    needs = set(method.needs) - {OldLogProbs.tensor}
    if teacher is KnownLessons:
        needs.add(OldLogProbs.tensor)
    if config.loss.kl_loss_coef > 0 or RewardModel.tensor in needs:
        needs.add(RefLogProbs.tensor)
    unknown = sorted(needs - {source.tensor for source in IN_ORDER} - GROUP_TENSORS.keys())
    if unknown:
        raise ConfigError(
            f"the credit method needs {unknown[0]}, which this trainer cannot make; choose another credit.type "
            "(spro methods says what each needs)"
        )
    _check_reference_is_read(config, needs)
    return frozenset(needs)


def build_sources(
    config: Config, policy: PreTrainedModel, needs: Set[str], method: Method, stop: StopRequest
) -> tuple[Source, ...]:
    """The sources of the tensors that are needed, made from the policy before its first update, in their order.

    Raises:
        ConfigError: see ``hold_reference``.
    """
    scoring = Scoring(config.rollout.temperature, config.train.micro_batch_tokens, stop.check)

    def build(kind: type[Source]) -> Source:
        if kind is RefLogProbs:
            reference = hold_reference(policy, config.reference)
            return RefLogProbs(policy, reference, build_reference(config.reference), scoring)
        if kind is RewardModel:
            return _reward_model(config, policy, scoring, stop)
        if kind is Critic:
            return _critic(config, policy, method, scoring, stop)
        return OldLogProbs(policy, scoring)

    return tuple(build(kind) for kind in IN_ORDER if kind.tensor in needs)


def policy_optimizer(config: Config, policy: PreTrainedModel, needs: Set[str], stop: StopRequest) -> Optimizer:
    """Of the policy; it holds still while a critic has its head start."""
    hold = config.critic.head_start if Critic.tensor in needs else 0
    steps = config.optimizer_steps
    hold_steps = hold * steps // config.train.steps
    schedule = Schedule(steps, config.optimizer.warmup_steps, config.optimizer.decay, hold_steps)
    return Optimizer(trainable(policy), config.optimizer, schedule, stop.commit)


def memory_saver(config: Config) -> SavingMemory:
    """What is done around a forward that is trained on."""
    return checkpointed if config.model.gradient_checkpointing else nullcontext


def _reward_model(config: Config, policy: PreTrainedModel, scoring: Scoring, stop: StopRequest) -> RewardModel:
    model, section = twin(policy), config.prm
    optimizer = Optimizer(
        trainable(model), section, _schedule(section, config.train.steps * section.mini_batches), stop.commit
    )
    return RewardModel(model, section, optimizer, scoring, memory_saver(config))


def _critic(config: Config, policy: PreTrainedModel, method: Method, scoring: Scoring, stop: StopRequest) -> Critic:
    section, head = config.critic, value_head(policy)
    weights = list(head.named_parameters(prefix="head"))
    states = shared_states(policy)
    if section.trunk == "own":
        trunk = twin(policy)
        weights += [(f"trunk.{name}", weight) for name, weight in trainable(trunk)]
        states = own_states(trunk, memory_saver(config))
    steps = config.train.steps * section.update_epochs * section.mini_batches
    optimizer = Optimizer(weights, section, _schedule(section, steps), stop.commit)
    return Critic(states, head, method.returns, section, optimizer, scoring)


def _schedule(section: OptimizerConfig, steps: int) -> Schedule:
    return Schedule(steps, section.warmup_steps, section.decay)


def _check_reference_is_read(config: Config, needs: Set[str]) -> None:
    """Refuse a reference that is not the frozen one where nothing reads any."""
    if config.reference.type != "frozen" and RefLogProbs.tensor not in needs:
        raise ConfigError(
            f"reference.type is {config.reference.type!r}, and nothing reads a reference: credit.type "
            f"{config.credit.type!r} does not need one, and loss.kl_loss_coef is 0"
        )
