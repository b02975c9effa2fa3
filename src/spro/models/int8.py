"""Linear layers whose weights are held in 8 bits, for a model that is only read.

Ours, and not torchao's, because transformers imports that library with its first model wherever it is installed: three
seconds and four lines of log for every process, be it asked for or not. The error is about the same.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from spro.errors import ConfigError
from spro.models.twin import copy_sharing


class Int8Linear(nn.Module):
    """weight[i, j] = scale[i] * q[i, j], with q in [-127, 127]; the product is taken in the type of the input.

    Off a weight by at most half its row's largest entry over 127.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        # Divided by the scale as it is stored, so that storing it in bfloat16 adds no error.
        scale = (weight.abs().amax(dim=1) / 127).clamp(min=torch.finfo(weight.dtype).tiny)
        quantised = (weight.float() / scale[:, None].float()).round().clamp(-127, 127).to(torch.int8)
        self.weight = nn.Parameter(quantised, requires_grad=False)
        self.scale = nn.Parameter(scale, requires_grad=False)
        bias = linear.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """As ``nn.Linear`` does."""
        # The rows are scaled behind the product: int8 fits bfloat16 without rounding, and the scaled weight does not.
        outputs = nn.functional.linear(inputs, self.weight.to(inputs.dtype)) * self.scale
        return outputs if self.bias is None else outputs + self.bias


def int8_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A frozen copy with 8-bit linear layers, made without a whole copy in between.

    The output head stays as it is: log-probs feel its rounding most, and it may be tied to the embeddings.

    Raises:
        ConfigError: the model has no linear layers (GPT-2 has transposed ones).
    """
    head = model.get_output_embeddings()
    linears = [(name, module) for name, module in model.named_modules() if type(module) is nn.Linear]
    body = [(name, linear) for name, linear in linears if linear is not head]
    if not body:
        raise ConfigError(
            f"reference.weights is 'int8', and {type(model).__name__} has no linear layers to hold in 8 bits: "
            "set it to same"
        )
    copy = copy_sharing(model, (tensor for _, linear in body for tensor in linear.parameters()))
    for name, linear in body:
        copy.set_submodule(name, Int8Linear(linear))
    return copy.requires_grad_(False).eval()
