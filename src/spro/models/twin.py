"""Copies of a model in memory that share what is not trained."""

from collections.abc import Iterable
from copy import deepcopy

from torch import Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel


def trainable(model: PreTrainedModel) -> list[tuple[str, Parameter]]:
    """What an optimizer moves, by name, in the order of the modules; a tied weight once, under its first name."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def twin(model: PreTrainedModel) -> PreTrainedModel:
    """A copy to be trained by itself, equal to the model as it is now.

    Tensors that are frozen are shared: with LoRA a twin costs its own adapters and nothing else.
    """
    return copy_sharing(model, (parameter for parameter in model.parameters() if not parameter.requires_grad))


def frozen_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of the live policy as it is now, without gradient; what is frozen already is shared.

    A copy of what is in memory, not of the folder: the two differ as soon as a run starts from changed weights.
    """
    return twin(model).requires_grad_(False).eval()


def copy_sharing(model: PreTrainedModel, shared: Iterable[Tensor]) -> PreTrainedModel:
    """A deep copy in which the given tensors are those of the original."""
    return deepcopy(model, {id(tensor): tensor for tensor in shared})
