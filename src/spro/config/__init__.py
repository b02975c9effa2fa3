"""Settings: what may be set, of which type, and the vetted default of each. Importable without torch.

Defaults are the paper's where it gives one (section 4.1) and otherwise what ``docs/methods/spro.md`` argues for. The
embedded lab run has its own file, ``assets/chain.yaml``, which lists only what differs.

The hyper-parameters of a credit method and of a surrogate are the fields of its class in ``spro.credit`` or
``spro.loss``, which is the only place of their defaults; they are checked against that class when the run is set up.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from spro.config.grading import (
    CodeConfig,
    FunctionConfig,
    MathConfig,
    RewardConfig,
    VerifyConfig,
    WeightedFunctionConfig,
)
from spro.config.learning import (
    CreditConfig,
    CriticConfig,
    EvaluateConfig,
    LogConfig,
    LossConfig,
    OptimizerConfig,
    PrmConfig,
    StepsConfig,
    TrainConfig,
    VineConfig,
)
from spro.config.model import LoraConfig, ModelConfig
from spro.config.rollout import RolloutConfig, VllmConfig
from spro.config.section import Section
from spro.config.selection import (
    AccuracyWindowFilter,
    DynamicFilter,
    EmaReference,
    FilterConfig,
    FrozenReference,
    HeldReference,
    NoFilter,
    OldPolicyReference,
    PeriodicReference,
    ReferenceConfig,
    ZeroVarianceFilter,
)
from spro.config.task import (
    CalculatorTask,
    ChainTask,
    EurusTask,
    FileTask,
    MathTask,
    TaskConfig,
)
from spro.config.watch import WatchConfig

__all__ = [
    "AccuracyWindowFilter",
    "CalculatorTask",
    "ChainTask",
    "CodeConfig",
    "Config",
    "CreditConfig",
    "CriticConfig",
    "DynamicFilter",
    "EmaReference",
    "EurusTask",
    "EvaluateConfig",
    "FileTask",
    "FilterConfig",
    "FrozenReference",
    "FunctionConfig",
    "HeldReference",
    "LogConfig",
    "LoraConfig",
    "LossConfig",
    "MathConfig",
    "MathTask",
    "ModelConfig",
    "NoFilter",
    "OldPolicyReference",
    "OptimizerConfig",
    "PeriodicReference",
    "PrmConfig",
    "ReferenceConfig",
    "RewardConfig",
    "RolloutConfig",
    "StepsConfig",
    "TaskConfig",
    "TrainConfig",
    "VerifyConfig",
    "VineConfig",
    "VllmConfig",
    "WatchConfig",
    "WeightedFunctionConfig",
    "ZeroVarianceFilter",
]


class Config(Section):
    """Everything that a run is made of."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    run_dir: Path | None = None
    """Must not exist yet. Without it: ``runs/<task>-<credit>-<number>``, the next free number."""
    model: ModelConfig
    task: TaskConfig
    rollout: RolloutConfig = RolloutConfig()
    vllm: VllmConfig = VllmConfig()
    verify: VerifyConfig = VerifyConfig()
    reward: RewardConfig = RewardConfig()
    filter: FilterConfig = AccuracyWindowFilter()
    reference: ReferenceConfig = FrozenReference()
    steps: StepsConfig = StepsConfig()
    vine: VineConfig = VineConfig()
    credit: CreditConfig = CreditConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    prm: PrmConfig = PrmConfig()
    critic: CriticConfig = CriticConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    watch: WatchConfig = WatchConfig()
    log: LogConfig = LogConfig()

    @property
    def optimizer_steps(self) -> int:
        """Optimizer steps of the whole run, if the filter leaves no step fewer groups than mini-batches."""
        return self.train.steps * self.train.update_epochs * self.train.mini_batches

    @model_validator(mode="after")
    def _buffer_fits(self) -> "Config":
        buffer, limit = self.reward.overlong_buffer, self.rollout.max_response_length
        if buffer > limit:
            raise ValueError(f"reward.overlong_buffer is {buffer}, above rollout.max_response_length {limit}")
        return self

    @property
    def is_on_policy(self) -> bool:
        """Whether every update learns from the very policy that sampled: one optimizer step a training step."""
        return self.train.update_epochs == self.train.mini_batches == 1

    @model_validator(mode="after")
    def _enough_prompts_for_all(self) -> "Config":
        for name, section in (("prm", self.prm), ("critic", self.critic)):
            if section.mini_batches > self.train.prompts_per_step:
                raise ValueError(
                    f"{name}.mini_batches {section.mini_batches} exceeds train.prompts_per_step "
                    f"{self.train.prompts_per_step}"
                )
        return self

    @model_validator(mode="after")
    def _head_start_ends(self) -> "Config":
        if self.critic.head_start >= self.train.steps:
            raise ValueError(f"critic.head_start is {self.critic.head_start}, and the run has {self.train.steps} steps")
        return self

    @model_validator(mode="after")
    def _warm_up_ends(self) -> "Config":
        per_step = self.train.update_epochs * self.train.mini_batches
        for name, section, steps in (
            ("optimizer", self.optimizer, self.optimizer_steps - self.critic.head_start * per_step),
            ("prm", self.prm, self.train.steps * self.prm.mini_batches),
            ("critic", self.critic, self.train.steps * self.critic.update_epochs * self.critic.mini_batches),
        ):
            if section.warmup_steps >= steps:
                raise ValueError(
                    f"{name}.warmup_steps is {section.warmup_steps}, and the run has {steps} optimizer steps for it"
                )
        return self

    @model_validator(mode="after")
    def _reference_can_be_held(self) -> "Config":
        reference, weight = self.reference, self.loss.kl_loss_coef
        if isinstance(reference, OldPolicyReference) and weight > 0:
            raise ValueError(
                f"loss.kl_loss_coef is {weight:g}, and reference.type old_policy is the policy itself, from which the "
                "divergence is 0: set it to 0 or choose reference.type frozen"
            )
        if isinstance(reference, FrozenReference) and self.model.lora is not None:
            for name, value in (("device", reference.device), ("weights", reference.weights)):
                if value != "same":
                    raise ValueError(
                        f"reference.{name} is {value!r}, and with model.lora the reference is the policy with its "
                        f"adapters off, which takes no memory: remove reference.{name}"
                    )
        return self
