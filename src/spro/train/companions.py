"""The models that a run holds beside the policy, as its settings and the needs of its method say; no other is made."""

from collections.abc import Callable, Set
from contextlib import nullcontext
from dataclasses import dataclass, replace

from torch.nn import Parameter
from transformers import PreTrainedModel

from spro.config import Config, FrozenReference, OldPolicyReference, OptimizerConfig
from spro.credit import Method
from spro.errors import ConfigError
from spro.models import checkpointed, hold_reference, trainable, twin
from spro.train.compute import cost_of
from spro.train.critic import Critic, own_states, shared_states, value_head
from spro.train.experience import GROUP_TENSORS
from spro.train.interrupt import StopRequest
from spro.train.lessons import KnownLessons, Teacher, choose_teacher
from spro.train.log_probs import OldAsRefLogProbs, OldLogProbs, RefLogProbs
from spro.train.optimizer import Optimizer
from spro.train.passes import SavingMemory
from spro.train.reference import build_reference
from spro.train.reward_model import RewardModel
from spro.train.schedule import Schedule
from spro.train.source import Scoring, Source


def pick_teacher(config: Config, method: Method) -> Teacher:
    """How the run teaches; see ``choose_teacher``."""
    rollout = config.rollout
    longest_group = rollout.group_size * (rollout.max_prompt_length + rollout.max_response_length)
    return choose_teacher(method, config.is_on_policy, longest_group <= config.train.micro_batch_tokens)


def find_needs(config: Config, method: Method, teacher: Teacher) -> frozenset[str]:
    """Optional tensors of ``TokenBatch`` that something in the run reads.

    Raises:
        ConfigError: nothing makes one of them, or something is set of a model that is not held.
    """
    needs = set(method.needs) - {OldLogProbs.tensor}
    if teacher is KnownLessons:
        needs.add(OldLogProbs.tensor)
    if config.loss.kl_loss_coef > 0 or RewardModel.tensor in needs:
        needs.add(RefLogProbs.tensor)
    unknown = sorted(needs - BUILDERS.keys() - GROUP_TENSORS.keys())
    if unknown:
        raise ConfigError(
            f"the credit method needs {unknown[0]}, which this trainer cannot make; choose another credit.type "
            "(spro methods says what each needs)"
        )
    _check_is_read(config, needs)
    return frozenset(needs)


@dataclass(frozen=True)
class _Builder:
    """What the sources are made from: the policy before its first update."""

    config: Config
    policy: PreTrainedModel
    method: Method
    stop: StopRequest

    @property
    def scoring(self) -> Scoring:
        return Scoring(self.config.rollout.temperature, self.config.train.micro_batch_tokens, self.stop.check)

    def old(self) -> OldLogProbs:
        return OldLogProbs(self.policy, self.scoring)

    def reference(self) -> Source:
        section = self.config.reference
        if isinstance(section, OldPolicyReference):
            return OldAsRefLogProbs(self.old())
        return RefLogProbs(self.policy, hold_reference(self.policy, section), build_reference(section), self.scoring)

    def reward_model(self) -> RewardModel:
        model, section = twin(self.policy), self.config.prm
        optimizer = self._optimizer(trainable(model), section, section.mini_batches)
        return RewardModel(model, section, optimizer, self.scoring, memory_saver(self.config))

    def critic(self) -> Critic:
        section, head = self.config.critic, value_head(self.policy)
        weights = list(head.named_parameters(prefix="head"))
        states, cost = shared_states(self.policy), cost_of(self.policy)
        if section.trunk == "own":
            trunk = twin(self.policy)
            weights += [(f"trunk.{name}", weight) for name, weight in trainable(trunk) if _is_below_head(trunk, weight)]
            saving_memory = memory_saver(self.config)
            states, cost = own_states(trunk, saving_memory), cost_of(trunk, saving_memory)
        optimizer = self._optimizer(weights, section, section.update_epochs * section.mini_batches)
        # Neither makes a logit.
        cost = replace(cost, head=0, learning_head=0)
        return Critic(states, head, self.method.returns, section, optimizer, self.scoring, cost)

    def _optimizer(self, weights: list[tuple[str, Parameter]], section: OptimizerConfig, per_step: int) -> Optimizer:
        schedule = Schedule(self.config.train.steps * per_step, section.warmup_steps, section.decay)
        return Optimizer(weights, section, schedule, self.stop.commit, per_step)


BUILDERS: dict[str, Callable[[_Builder], Source]] = {
    OldLogProbs.tensor: _Builder.old,
    RefLogProbs.tensor: _Builder.reference,
    RewardModel.tensor: _Builder.reward_model,
    Critic.tensor: _Builder.critic,
}
"""What makes the source of each tensor, in an order in which each may read the tensors of those before it."""


def build_sources(
    config: Config, policy: PreTrainedModel, needs: Set[str], method: Method, stop: StopRequest
) -> tuple[Source, ...]:
    """The sources of the tensors that are needed, made from the policy before its first update, in their order.

    Raises:
        ConfigError: see ``hold_reference``.
    """
    builder = _Builder(config, policy, method, stop)
    return tuple(build(builder) for tensor, build in BUILDERS.items() if tensor in needs)


def policy_optimizer(config: Config, policy: PreTrainedModel, needs: Set[str], stop: StopRequest) -> Optimizer:
    """Of the policy; it holds still while a critic has its head start."""
    per_step = config.train.update_epochs * config.train.mini_batches
    hold_steps = config.critic.head_start * per_step if Critic.tensor in needs else 0
    schedule = Schedule(config.optimizer_steps, config.optimizer.warmup_steps, config.optimizer.decay, hold_steps)
    return Optimizer(trainable(policy), config.optimizer, schedule, stop.commit, per_step)


def memory_saver(config: Config) -> SavingMemory:
    """What is done around a forward that is trained on."""
    return checkpointed if config.model.gradient_checkpointing else nullcontext


def _is_below_head(model: PreTrainedModel, weight: Parameter) -> bool:
    """Whether a state depends on the weight: not on an output head of its own."""
    return weight is not model.get_output_embeddings().weight or weight is model.get_input_embeddings().weight


def _check_is_read(config: Config, needs: Set[str]) -> None:
    """Refuse what is set of a reference or a critic where nothing reads one."""
    credit = f"credit.type {config.credit.type!r}"
    plain = FrozenReference().model_dump()
    changed = [(key, value) for key, value in config.reference.model_dump().items() if value != plain.get(key)]
    if changed and RefLogProbs.tensor not in needs:
        key, value = changed[0]
        raise ConfigError(
            f"reference.{key} is {value!r}, and nothing reads a reference: {credit} does not need one, and "
            "loss.kl_loss_coef is 0"
        )
    if config.reference.type == "old_policy" and RewardModel.tensor not in needs:
        raise ConfigError(
            f"reference.type is 'old_policy', whose log-ratio to the policy is 0, and {credit} has no reward model to "
            "compare with it; take frozen, periodic or ema"
        )
    if config.critic.head_start and Critic.tensor not in needs:
        raise ConfigError(f"critic.head_start is {config.critic.head_start}, and {credit} has no critic")
