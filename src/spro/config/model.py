"""Which model is trained, and in which form."""

from typing import Annotated, Literal

from pydantic import Field

from spro.config.section import Commas, PositiveFloat, PositiveInt, Section

Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1),
    Commas,
]


class LoraConfig(Section):
    """Low-rank adapters (arXiv 2106.09685): the weights stay, and beside each targeted one B @ A is trained.

    There is no dropout: it would make the old log-probs those of another policy than the one that sampled. The rate of
    full training is about ten times too low for adapters: raise ``optimizer.learning_rate``.
    """

    rank: PositiveInt = 16
    alpha: PositiveFloat = 32.0
    """What is added to a weight is alpha / rank * B @ A; alpha / sqrt(rank) with ``rank_stabilised``."""
    rank_stabilised: bool = False
    """The scale of rsLoRA (arXiv 2312.03732), for ranks of 64 and more."""
    target_modules: Names = ("all-linear",)
    """Last parts of the names of modules, such as ``q_proj``. ``all-linear``: all linear layers but the output head."""


class ModelConfig(Section):
    """Which policy is trained, and on what."""

    path: str
    """A model folder of transformers with safetensors weights, a hub id, or ``builtin:chain``."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1``, or ``auto``: a GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the weights in the forward pass; the optimizer holds float32 in any case. ``auto`` is bfloat16 on a GPU that
    computes in it, and float32 elsewhere."""
    gradient_checkpointing: bool = False
    """Keep only the input of each layer for the backward pass and compute the rest again: less memory, a third slower.
    """
    lora: LoraConfig | None = None
    """Train adapters in place of the weights. The reference is then the policy with its adapters off."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of torch. More than one slows models of under a few million parameters down."""
