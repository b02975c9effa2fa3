"""Model FLOPs of a step, counted from the lengths of its sequences.

The count is of real tokens, without padding, each of which sees itself and those before it (half a square, however the
attention is computed). So it does not depend on micro-batches, on the engine, nor on whether the run was interrupted,
and it is what the models had to compute, not what a device did. A product of matrices is counted, an addition and a
multiplication as two; what is done element by element, and the optimizer, is not.

Forwards are ``2 x weights x tokens`` (Kaplan et al. 2001.08361), backwards twice that where all weights learn. What is
left out: windows of attention narrower than the context, which are counted as if they were not, the value head of a
critic, and what an engine runs twice: a tool's answer is read behind what stands, the prompt of a group once.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from torch import nn
from torch.nn import Parameter
from transformers import PretrainedConfig, PreTrainedModel

from spro.models import Sequences, checkpointed
from spro.rollout import Response
from spro.train.passes import SavingMemory


@dataclass(frozen=True, slots=True)
class Work:
    """What goes through a model; adds up over rows.

    Attributes:
        tokens: through its layers.
        pairs: of a token and one that it sees, itself included.
        scored: places at which the output head is applied.
    """

    tokens: int = 0
    pairs: int = 0
    scored: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.tokens + other.tokens, self.pairs + other.pairs, self.scored + other.scored)


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What a token costs in one model.

    Attributes:
        layers: weights that it is multiplied by below the output head; of experts those that it is sent to.
        head: weights of the output head.
        attention: width of all queries of all layers together.
        learning: of ``layers``, those that get a gradient: all, or the adapters.
        learning_head: of ``head``.
        is_checkpointed: whether the layers run again in a backward pass. The head always does (``spro.models.linear``).
    """

    layers: int
    head: int
    attention: int
    learning: int
    learning_head: int
    is_checkpointed: bool = False

    def forward(self, work: Work) -> int:
        """FLOPs of a pass without gradient."""
        return self._layers(work) + 2 * self.head * work.scored

    def training(self, work: Work) -> int:
        """FLOPs of a pass forward and backward.

        Backward each weight is met once for the gradient of what came in, and once more for its own if it learns.
        """
        passes = 2 if self.is_checkpointed else 1
        backward = 2 * (self.layers + self.learning) * work.tokens + 2 * self._attention(work)
        head = 2 * (3 * self.head + self.learning_head) * work.scored
        return passes * self._layers(work) + backward + head

    def _layers(self, work: Work) -> int:
        return 2 * self.layers * work.tokens + self._attention(work)

    def _attention(self, work: Work) -> int:
        """Of queries with keys, and of their weights with values."""
        return 4 * self.attention * work.pairs


def cost_of(model: PreTrainedModel, saving_memory: SavingMemory = nullcontext) -> ModelCost:
    """What a token costs in a model as it is now, adapters included; a reference without them counts as with them.

    Args:
        model: of any architecture of transformers.
        saving_memory: see ``Updater``.
    """
    config, head = model.config.get_text_config(), model.get_output_embeddings()
    # A table that is looked up multiplies nothing; where it is the head as well, it does there.
    modules = [module for module in model.modules() if module is not head and not isinstance(module, nn.Embedding)]
    weights = [weight for module in modules for weight in module.parameters(recurse=False) if weight.ndim > 1]
    return ModelCost(
        layers=sum(_met(weight, config) for weight in weights),
        head=head.weight.numel(),
        attention=_query_width(config),
        learning=sum(_met(weight, config) for weight in weights if weight.requires_grad),
        learning_head=head.weight.numel() if head.weight.requires_grad else 0,
        is_checkpointed=saving_memory is checkpointed,
    )


def read(sequences: Sequences) -> Work:
    """Each row once, prompt and response, scored where the policy wrote."""
    lengths = sequences.lengths
    written = map(len, sequences.responses) if sequences.masks is None else map(sum, sequences.masks)
    return Work(sum(lengths), sum(map(_seen, lengths)), sum(written))


def sampled(prompts: Sequence[Sequence[int]], groups: Sequence[Sequence[Response]]) -> Work:
    """Responses by a decoder with a cache: each prompt once, then each token but the last, from which nothing follows.

    Args:
        prompts: token ids of each group's prompt.
        groups: the responses to it.
    """
    work = Work()
    for prompt, responses in zip(prompts, groups, strict=True):
        begun = _seen(len(prompt))
        work += Work(len(prompt), begun, 1)
        for response in responses:
            further = len(response.token_ids) - 1
            work += Work(further, _seen(len(prompt) + further) - begun, sum(response.written) - 1)
    return work


def _seen(length: int) -> int:
    return length * (length + 1) // 2


def _met(weight: Parameter, config: PretrainedConfig) -> int:
    """Of a weight, how much a token is multiplied by; experts of a layer are stacked in one weight of rank 3."""
    chosen = getattr(config, "num_experts_per_tok", None)
    return weight.numel() * chosen // len(weight) if weight.ndim == 3 and chosen else weight.numel()


def _query_width(config: PretrainedConfig) -> int:
    heads = getattr(config, "num_attention_heads", None) or 0
    width = getattr(config, "head_dim", None) or config.hidden_size // max(heads, 1)
    return int(config.num_hidden_layers * heads * width)
