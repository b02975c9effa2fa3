"""How the policy speaks and learns."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spro.config.section import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section


class ModelConfig(Section):
    """Which policy is trained, and on what."""

    path: str
    """A model folder of transformers with safetensors weights, a hub id, or ``builtin:chain``."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1``, or ``auto``: a GPU if there is one."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of torch. More than one slows models of under a few million parameters down."""


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
