"""What is made of responses, and how the policy learns from them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spro.config.section import Commas, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section


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
    rollout_is_cap: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    """Truncated importance sampling: a token weighs min(pi_old / pi_rollout, cap), which corrects for an engine whose
    log-probs are not the trainer's. Without it: 2 for an engine of its own numerics, none for the embedded one."""
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
    """AdamW. With weights of half precision it steps on copies in float32."""

    learning_rate: PositiveFloat = 1e-6
    weight_decay: NonNegativeFloat = 0.01
    warmup_steps: NonNegativeInt = 0
    """Optimizer steps in which the rate rises to ``learning_rate``."""
    decay: Literal["cosine", "constant"] = "cosine"
    """``cosine``: to zero at the last of the optimizer steps that are planned."""
    max_grad_norm: PositiveFloat = 1.0


class PrmConfig(OptimizerConfig):
    """The implicit process reward model (PRIME, arXiv 2502.01456): how it learns the outcome, online.

    A copy of the initial policy. Its reference is that of the run, ``reference``.
    """

    learning_rate: PositiveFloat = 1e-6
    weight_decay: NonNegativeFloat = 0.0
    decay: Literal["cosine", "constant"] = "constant"
    max_grad_norm: PositiveFloat = 10.0
    beta: PositiveFloat = 0.05
    """Weight of the log-ratio in the cross-entropy (``beta_train``); the method has one of its own for the reward."""
    update: Literal["before", "after"] = "after"
    """``before``: learn from a step's responses, then score them, at the cost of a second forward. ``after``: they are
    scored in the pass that learns, each mini-batch before its own update (PRIME's script)."""
    mini_batches: PositiveInt = 1
    """Optimizer steps a step."""


class CriticConfig(OptimizerConfig):
    """The critic of PPO: how it learns the returns. Defaults are verl's where it has one."""

    learning_rate: PositiveFloat = 1e-5
    decay: Literal["cosine", "constant"] = "constant"
    trunk: Literal["own", "shared"] = "own"
    """``own``: a copy of the initial policy below the value head. ``shared``: the head alone learns, on the states of
    the policy, which it does not move; costs no memory and sees less."""
    value_clip: PositiveFloat = 0.5
    """How far a value may move from what it was when it was used, before its loss stops falling."""
    update_epochs: PositiveInt = 1
    mini_batches: PositiveInt = 1
    """Optimizer steps a pass."""
    head_start: NonNegativeInt = 0
    """Steps at the start in which only the critic learns; the policy's learning rate is 0."""


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
    micro_batch_tokens: PositiveInt = 16384
    """Tokens a forward, prompts and padding included; changes memory and time, never the gradient. A longer response
    stands alone. While a whole group fits, a method whose credit reads the old log-probs takes them from the pass that
    trains."""
    max_skipped_updates: NonNegativeInt = 2
    """An update whose loss or gradient is not finite is skipped and counted; one more than this in a row ends the run,
    with the batch saved."""

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
    keep_checkpoints: Annotated[int, Field(ge=2)] = 2
    """The newest ones that stay, and beside them the last one from before a collapse."""
    sinks: Annotated[tuple[Literal["tensorboard", "wandb", "trackio"], ...], Commas] = ()
    """Where the metrics are shown beside the run folder; each is an extra of the package, and off unless named."""
    metric_names: Literal["spro", "trl", "verl"] = "spro"
    """What metrics are called there: as in the run folder, or as a host calls them, for one chart with its runs."""
    project: Annotated[str, Field(min_length=1)] = "spro"
    """Under which wandb and trackio put the run."""
    run_name: Annotated[str, Field(min_length=1)] | None = None
    """What they call the run. Without it: the name of the run folder."""
