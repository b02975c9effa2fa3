"""How a model's hidden states become its logits, found out once a model.

Nearly every model ends in one linear layer over its decoder's last hidden state, and some scale or cap what the layer
gives. No interface of transformers says which, so it is not read off a name: a probe looks at what the layer is given,
and at what the model makes of the layer's output. A model of another kind is scored by its own logits.

Axis legend: B rows, W columns, D hidden size.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from spro.models.linear import Bend

FACTORS = ("logits_scaling", "logit_scale", "lm_head_multiplier", "output_multiplier")
"""Settings of model configs that multiply logits or divide them; Granite and HyperCLOVA X differ in that."""
CAPS = ("final_logit_softcapping", "logits_soft_cap")
"""Settings of model configs that cap logits."""
LARGEST_LOGIT = 100.0
"""Of the probe; beyond every cap in use, so that a cap shows."""
TOLERANCE = {torch.bfloat16: 1e-2, torch.float16: 2e-3}
"""Greatest difference in a probe, see ``_distance``; 1e-4 in other dtypes."""

_bends: "WeakKeyDictionary[nn.Module, Bend | None]" = WeakKeyDictionary()


def linear_head(model: PreTrainedModel) -> tuple[nn.Linear, Bend] | None:
    """The model's last layer and what follows it; None if its logits come about in any other way.

    The probe is one forward of four tokens at the first call. The layer is looked at in every call: an adapter may
    have taken its place since.
    """
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head._forward_hooks or head._forward_pre_hooks:
        return None
    if model not in _bends:
        _bends[model] = _probe(model, head)
    bend = _bends[model]
    return None if bend is None else (head, bend)


def last_hidden_state(model: PreTrainedModel, token_ids: Tensor) -> Tensor:
    """[B, W, D] of the decoder inside the model; no logit is made."""
    states: Tensor = model.base_model(**forward_arguments(token_ids)).last_hidden_state
    return states


def forward_arguments(token_ids: Tensor) -> dict[str, Any]:
    """What a forward of rows that begin at the first column takes beside its weights.

    Padding on the right is not hidden: no token of a row comes behind it, and in a sliding window it would see nothing
    but what is hidden, of which some attention makes NaN. So every kind of attention runs as plain causal attention.
    """
    return {
        "input_ids": token_ids,
        "attention_mask": torch.ones_like(token_ids),
        "position_ids": torch.arange(token_ids.shape[1], device=token_ids.device).expand_as(token_ids),
        "use_cache": False,
    }


@torch.no_grad()
def _probe(model: PreTrainedModel, head: nn.Linear) -> Bend | None:
    arguments = forward_arguments((torch.arange(4, device=model.device) % head.out_features)[None])
    takes = inspect.signature(model.base_model.forward).parameters
    if model.base_model is model or not takes.keys() >= arguments.keys():
        return None
    given: list[Tensor] = []
    put: list[Tensor] = []

    def swap(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        given.append(inputs[0])
        put.append(torch.linspace(-LARGEST_LOGIT, LARGEST_LOGIT, output.numel()).to(output).view_as(output))
        return put[-1].clone()

    with _evaluating(model):
        states = last_hidden_state(model, arguments["input_ids"])
        handle = head.register_forward_hook(swap)
        try:
            logits = model(**arguments).logits
        finally:
            handle.remove()
    if len(given) != 1 or given[0].shape != states.shape or logits.shape != put[0].shape:
        return None
    # The nearest, not the first that is near: in half precision a scale of 1.01 is near 1.
    bend = min(_candidates(model), key=lambda bend: _distance(logits, bend(put[0].float())))
    off = max(_distance(given[0], states), _distance(logits, bend(put[0].float())))
    return bend if off <= TOLERANCE.get(logits.dtype, 1e-4) else None


def _candidates(model: PreTrainedModel) -> Iterator[Bend]:
    config = model.config.get_text_config()
    factors = [float(value) for name in FACTORS if (value := getattr(config, name, None))]
    caps = [float(value) for name in CAPS if (value := getattr(config, name, None))]
    scales = [1.0, *factors, *(1 / factor for factor in factors)]
    yield from (Bend(scale, cap) for cap, scale in product([None, *caps], scales))


def _distance(found: Tensor, expected: Tensor) -> float:
    """The greatest difference as a share of the greatest expected value."""
    return float((found.float() - expected.float()).abs().max() / expected.float().abs().max())


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each module's own: with dropout no two forwards agree."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
