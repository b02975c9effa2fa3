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
    EvaluateConfig,
    LogConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    RolloutConfig,
    StepsConfig,
    TrainConfig,
    VineConfig,
)
from spro.config.section import Section
from spro.config.selection import (
    AccuracyWindowFilter,
    DynamicFilter,
    EmaReference,
    FilterConfig,
    FrozenReference,
    NoFilter,
    PeriodicReference,
    ReferenceConfig,
    ZeroVarianceFilter,
)
from spro.config.task import (
    ChainTask,
    EurusTask,
    FileTask,
    MathTask,
    TaskConfig,
)

__all__ = [
    "AccuracyWindowFilter",
    "ChainTask",
    "CodeConfig",
    "Config",
    "CreditConfig",
    "DynamicFilter",
    "EmaReference",
    "EurusTask",
    "EvaluateConfig",
    "FileTask",
    "FilterConfig",
    "FrozenReference",
    "FunctionConfig",
    "LogConfig",
    "LossConfig",
    "MathConfig",
    "MathTask",
    "ModelConfig",
    "NoFilter",
    "OptimizerConfig",
    "PeriodicReference",
    "ReferenceConfig",
    "RewardConfig",
    "RolloutConfig",
    "StepsConfig",
    "TaskConfig",
    "TrainConfig",
    "VerifyConfig",
    "VineConfig",
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
    verify: VerifyConfig = VerifyConfig()
    reward: RewardConfig = RewardConfig()
    filter: FilterConfig = AccuracyWindowFilter()
    reference: ReferenceConfig = FrozenReference()
    steps: StepsConfig = StepsConfig()
    vine: VineConfig = VineConfig()
    credit: CreditConfig = CreditConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
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

    @model_validator(mode="after")
    def _warm_up_ends(self) -> "Config":
        if self.optimizer.warmup_steps >= self.optimizer_steps:
            raise ValueError(
                f"optimizer.warmup_steps is {self.optimizer.warmup_steps}, and the run has "
                f"{self.optimizer_steps} optimizer steps"
            )
        return self
