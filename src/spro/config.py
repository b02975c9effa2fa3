"""Settings: what may be set, of which type, and the vetted default of each. Importable without torch.

Defaults are the paper's where it gives one (section 4.1) and otherwise what ``docs/methods/spro.md`` argues for. The
embedded lab run has its own file, ``assets/chain.yaml``, which lists only what differs.

The hyper-parameters of a credit method and of a surrogate are the fields of its class in ``spro.credit`` or
``spro.loss``, which is the only place of their defaults; they are checked against that class when the run is set up.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
OversampleFactor = Annotated[float, Field(ge=1, allow_inf_nan=False)]


class Section(BaseModel):
    """A frozen group of settings in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _default_type(name: str) -> BeforeValidator:
    """The type of a section of several types when none is named."""
    return BeforeValidator(lambda value: {"type": name, **value} if isinstance(value, dict) else value)


class ModelConfig(Section):
    """Which policy is trained, and on what."""

    path: str
    """A model folder of transformers with safetensors weights, a hub id, or ``builtin:chain``."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1``, or ``auto``: a GPU if there is one."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of torch. More than one slows models of under a few million parameters down."""


class ChainTask(Section):
    """The lab task: chain arithmetic, generated from the seed."""

    type: Literal["chain"]
    train_problems: PositiveInt = 16384
    held_out_problems: NonNegativeInt = 512
    min_operators: PositiveInt = 3
    max_operators: PositiveInt = 6

    @model_validator(mode="after")
    def _operators_in_order(self) -> "ChainTask":
        if self.min_operators > self.max_operators:
            raise ValueError(f"min_operators {self.min_operators} is above max_operators {self.max_operators}")
        return self

    @model_validator(mode="after")
    def _enough_expressions(self) -> "ChainTask":
        # One expression in sixteen is held out. Drawing distinct ones slows down long before they run out.
        expressions = sum(3**k * 10 ** (k + 1) for k in range(self.min_operators, self.max_operators + 1))
        for name, wanted, drawable in (
            ("train_problems", self.train_problems, expressions // 2),
            ("held_out_problems", self.held_out_problems, expressions // 32),
        ):
            if wanted > drawable:
                raise ValueError(
                    f"{name} is {wanted}, and of the {expressions} expressions with {self.min_operators} to "
                    f"{self.max_operators} operators at most {drawable} can be drawn; raise max_operators"
                )
        return self


class FileTask(Section):
    """What all tasks that are read from files share."""

    path: str
    """A .parquet, .jsonl or .json file, a folder of them, or a hub id."""
    split: str = "train"
    """In a folder or hub repository: read the files whose name begins with this, if there are any."""
    max_problems: PositiveInt | None = None
    """Stop reading after so many usable rows."""
    held_out_path: str | None = None
    """Problems never trained on, in the same schema."""
    held_out_problems: NonNegativeInt = 0
    """Without ``held_out_path``: take so many problems, drawn by the seed, out of the training set."""


class EurusTask(FileTask):
    """Rows in the schema of PRIME-RL/Eurus-2-RL-Data."""

    type: Literal["eurus"]


class MathTask(FileTask):
    """Rows with a question and its final answer, under any column names."""

    type: Literal["math"]
    question_key: str = "problem"
    answer_key: str = "answer"
    system_prompt: str | None = None
    prompt_suffix: str = "\n\nPresent the answer in LaTex format: \\boxed{Your answer}"
    """Put behind each question; the default is PRIME's, spelling included."""


TaskConfig = Annotated[ChainTask | EurusTask | MathTask, Field(discriminator="type")]


class RolloutConfig(Section):
    """How responses are sampled."""

    group_size: Annotated[int, Field(ge=2)] = 4
    """Responses a prompt. A group of one has nothing to be compared with."""
    temperature: PositiveFloat = 1.0
    max_prompt_length: PositiveInt = 1024
    """Tokens; longer prompts are skipped and counted."""
    max_response_length: PositiveInt = 3072
    """Tokens, the stop token included."""
    max_rows: PositiveInt = 256
    """Responses decoded side by side at most; bounds the memory of the KV cache."""


class VerifyConfig(Section):
    """How answers are graded."""

    workers: PositiveInt = 2
    timeout_s: PositiveFloat = 10.0
    """Seconds after which the worker that grades an answer is killed and the answer counts as a timeout."""
    max_unscored_share: Share = 0.5
    """The run stops when more than this share of a step's responses could not be graded, or more than this share of its
    groups are left out since a greedy answer or the value of a step could not be; in any case when all are."""


class RewardConfig(Section):
    """What is added to a verifier's score; the filter judges by the score alone."""

    overlong_buffer: NonNegativeInt = 0
    """The last so many tokens before ``rollout.max_response_length`` cost (DAPO, Eq. 13); 0 turns this off."""
    overlong_penalty: NonNegativeFloat = 1.0
    """What a response of full length loses; one at the start of the buffer loses nothing, between them it is linear."""


class AccuracyWindowFilter(Section):
    """The accuracy filter with oversampling (section 4.1; semantics of verl's PRIME recipe)."""

    type: Literal["accuracy_window"] = "accuracy_window"
    oversample_factor: OversampleFactor = 2.0
    """So many times ``train.prompts_per_step`` prompts are rolled out, then cut back."""
    accuracy_low: Share = 0.2
    accuracy_high: Share = 0.8
    """Prompts whose mean score lies in [low, high] come first."""

    @model_validator(mode="after")
    def _window_in_order(self) -> "AccuracyWindowFilter":
        if self.accuracy_low > self.accuracy_high:
            raise ValueError(f"accuracy_low {self.accuracy_low} is above accuracy_high {self.accuracy_high}")
        return self


class ZeroVarianceFilter(Section):
    """Groups whose scores are all equal are dropped: no outcome method learns from them. The batch may be smaller."""

    type: Literal["zero_variance"]
    oversample_factor: OversampleFactor = 1.0
    """See ``AccuracyWindowFilter``."""


class DynamicFilter(Section):
    """Dynamic sampling (DAPO, arXiv 2503.14476): roll out further batches until enough groups are not all equal."""

    type: Literal["dynamic"]
    oversample_factor: OversampleFactor = 3.0
    """Prompts of each of these batches, in units of ``train.prompts_per_step``. DAPO's 1536 for 512."""
    max_rollout_batches: PositiveInt = 10
    """After so many, or when the prompts that a step has not drawn fill no further one, it trains on what there is.
    DAPO's 10."""


class NoFilter(Section):
    """Every group is trained on."""

    type: Literal["none"]

    @property
    def oversample_factor(self) -> float:
        """Nothing would choose between more."""
        return 1.0


FilterConfig = Annotated[
    AccuracyWindowFilter | ZeroVarianceFilter | DynamicFilter | NoFilter,
    Field(discriminator="type"),
    _default_type("accuracy_window"),
]


class FrozenReference(Section):
    """The reference is the policy as it was before training; the paper's."""

    type: Literal["frozen"] = "frozen"


class PeriodicReference(Section):
    """The reference becomes a copy of the policy every so many steps.

    In the step behind a copy both are equal, and what is made of their log-ratio is 0: with ``every: 1`` SPRO's MSA
    always, so that SPRO is GRPO.
    """

    type: Literal["periodic"]
    every: PositiveInt
    """Steps between copies."""


class EmaReference(Section):
    """The reference is a moving average of the policy: after each step, decay * reference + (1 - decay) * policy."""

    type: Literal["ema"]
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Its memory is 1 / (1 - decay) steps; 0 is a copy after each step. No paper's number: a hundred steps."""


ReferenceConfig = Annotated[
    FrozenReference | PeriodicReference | EmaReference, Field(discriminator="type"), _default_type("frozen")
]


class StepsConfig(Section):
    """What a step of a response is, for credit methods that compare steps."""

    separator: Annotated[str, Field(min_length=1)] = "\n"
    """A step ends with the token that completes it; blank tokens and further separators behind it still belong."""


class VineConfig(Section):
    """Values of steps by rolling out from where they begin, for credit methods that read them. Costly."""

    samples: PositiveInt = 9
    """Responses from the start of each step of each response (VinePPO, arXiv 2410.01679)."""


class CreditConfig(BaseModel):
    """The credit method by name, and any of its hyper-parameters (``spro methods`` lists them)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = "spro"

    @property
    def hyper_parameters(self) -> dict[str, Any]:
        """What was set beside the name."""
        return dict(self.model_extra or {})


class LossConfig(BaseModel):
    """The objective, Eq. 14: the surrogate by name, any of its hyper-parameters, and what is added to it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = "ppo"
    """``ppo``, ``dual_clip``, ``gspo`` or ``cispo``; docs/losses.md has their equations and hyper-parameters."""
    loss_reduction: Literal[
        "token-mean", "token-sum", "seq-mean-token-sum", "seq-mean-token-mean", "seq-mean-token-sum-norm"
    ] = "seq-mean-token-mean"
    entropy_coef: NonNegativeFloat = 0.001
    kl_loss_coef: NonNegativeFloat = 0.0
    """Weight of the divergence from the reference. Above 0 a reference is held, whatever the credit method needs."""
    kl_estimator: Literal["k1", "k2", "k3", "k3+"] = "k3+"
    """``k3+``: the value of k3, the gradient of KL(policy || reference). That of k3 is of KL(reference || policy), that
    of k1 zero in expectation (docs/losses.md)."""

    @property
    def hyper_parameters(self) -> dict[str, Any]:
        """What was set of the surrogate."""
        return dict(self.model_extra or {})


class OptimizerConfig(Section):
    """AdamW with cosine decay, to zero at the last of the optimizer steps that are planned."""

    learning_rate: PositiveFloat = 1e-6
    weight_decay: NonNegativeFloat = 0.01
    warmup_steps: NonNegativeInt = 0
    """Optimizer steps in which the rate rises to ``learning_rate``."""
    max_grad_norm: PositiveFloat = 1.0


class TrainConfig(Section):
    """How long and in what portions."""

    steps: PositiveInt = 400
    """Iterations of Algorithm 1: rollouts, then updates."""
    prompts_per_step: PositiveInt = 256
    """Prompts that are trained on in a step, after the filter."""
    update_epochs: PositiveInt = 1
    """Passes over a step's responses (mu in Algorithm 1)."""
    mini_batches: PositiveInt = 1
    """Optimizer steps a pass; groups stay whole."""
    micro_batch_size: PositiveInt = 2
    """Responses a forward; changes memory and time, never the gradient. The paper's 16 are spread over 8 GPUs."""

    @model_validator(mode="after")
    def _enough_prompts(self) -> "TrainConfig":
        if self.mini_batches > self.prompts_per_step:
            raise ValueError(f"mini_batches {self.mini_batches} exceeds prompts_per_step {self.prompts_per_step}")
        return self


class EvaluateConfig(Section):
    """Accuracy on the held-out problems while training: sampled at the training temperature, and greedy."""

    every: NonNegativeInt = 10
    """Steps between evaluations, beside those of the first and the last policy; 0 turns them all off."""


class LogConfig(Section):
    """What the run folder keeps."""

    rollouts_every: PositiveInt = 10
    """Steps between written samples; the first and last step are always written."""
    rollout_groups: PositiveInt = 8
    """Groups of responses a sample."""
    checkpoint_every: PositiveInt = 50
    """Steps between checkpoints; the last step is always saved."""


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
