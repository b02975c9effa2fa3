"""What is trained on, and beside which reference."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from spro.config.section import OversampleFactor, PositiveInt, Section, Share, default_type


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
    default_type("accuracy_window"),
]


class FrozenReference(Section):
    """The reference is the policy as it was before training; the paper's.

    With LoRA it is the policy with its adapters off, for which nothing has to be held.
    """

    type: Literal["frozen"] = "frozen"
    device: Literal["same", "cpu"] = "same"
    """``cpu``: the weights wait in the host's memory, and are on the policy's device only while they are read."""
    weights: Literal["same", "int8"] = "same"
    """``int8``: the weights of the linear layers but the output head as 8-bit integers, with one scale a row; fused
    experts stay. The reference then differs from the policy by the rounding from the first step on."""


class PeriodicReference(Section):
    """The reference becomes a copy of the policy every so many steps; with LoRA, of its adapters.

    In the step behind a copy both are equal, and what is made of their log-ratio is 0: with ``every: 1`` SPRO's MSA
    always, so that SPRO is GRPO.
    """

    type: Literal["periodic"]
    every: PositiveInt
    """Steps between copies."""


class EmaReference(Section):
    """The reference is a moving average of the policy: after each step, decay * reference + (1 - decay) * policy.

    With LoRA each factor is averaged, A and B, which is not the average of their product.
    """

    type: Literal["ema"]
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Its memory is 1 / (1 - decay) steps; 0 is a copy after each step. No paper's number: a hundred steps."""


class OldPolicyReference(Section):
    """The reference log-probs are the policy's own before the update (PRIME's ``ref_type: policy``).

    Nothing is held. The log-ratio of the policy to it is 0, and with it SPRO's process term: SPRO is then GRPO.
    """

    type: Literal["old_policy"]


HeldReference = FrozenReference | PeriodicReference | EmaReference
"""What a model is held for."""
ReferenceConfig = Annotated[
    HeldReference | OldPolicyReference,
    Field(discriminator="type"),
    default_type("frozen"),
]
