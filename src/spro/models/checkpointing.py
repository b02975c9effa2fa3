"""Gradient checkpointing: keep the input of each layer, and compute the rest again in the backward pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from spro.errors import ConfigError


@contextmanager
def checkpointed(model: PreTrainedModel) -> Iterator[None]:
    """Checkpoint every layer of the model inside this block; the backward pass may come behind it.

    The switch of transformers acts on layers in training mode only, and that mode turns dropout on. So the layers stay
    as they are, and their ``forward`` is wrapped. No KV cache may be grown inside while gradients are on: computing a
    layer again would grow it again.

    Raises:
        ConfigError: the model has no layers that are made for it.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ConfigError(
            f"model.gradient_checkpointing is true, and {type(model).__name__} has no layers that support it: "
            "set it to false"
        )
    before = [layer.__dict__.get("forward") for layer in layers]
    for layer in layers:
        # Nothing random runs in a layer without dropout, so no state of a generator has to be kept.
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    try:
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            if own is None:
                del layer.forward
            else:
                layer.forward = own
