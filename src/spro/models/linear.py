"""Log-prob and entropy of tokens from hidden states through a linear head, in chunks, forward and backward.

Axis legend: N positions, D hidden size, V vocabulary, n positions of a chunk.

The whole logits [N, V] are the largest tensor of a training step by far: 8,192 positions of a vocabulary of 151,936
are 5 GB in float32, and autograd holds several such. Here a chunk of them exists at a time. The backward pass makes
each chunk again from the states, which costs one more product with the head, as checkpointing it would.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LOGITS_AT_ONCE = 2**24
"""Most logits of a chunk, n * V: 64 MiB in float32. Three or four such tensors live at a time."""


@dataclass(frozen=True)
class Bend:
    """How the output x of the linear layer becomes the logits that are sampled from.

    ``cap * tanh(scale * x / cap) / temperature``, and without a cap ``scale * x / temperature``.

    Attributes:
        scale: of Granite, Cohere and their like; 1 elsewhere.
        cap: soft cap of Gemma 2 and its like, in logits; None elsewhere.
        temperature: of sampling.
    """

    scale: float = 1.0
    cap: float | None = None
    temperature: float = 1.0

    def __call__(self, output: Tensor) -> Tensor:
        """Logits; the layer's output is overwritten."""
        if self.cap is None:
            return output.mul_(self.scale / self.temperature)
        return output.mul_(self.scale / self.cap).tanh_().mul_(self.cap / self.temperature)

    def backward(self, gradient: Tensor, logits: Tensor) -> Tensor:
        """Gradient of the layer's output from that of the logits; both arguments are overwritten."""
        gradient.mul_(self.scale / self.temperature)
        if self.cap is None:
            return gradient
        tanh = logits.mul_(self.temperature / self.cap)
        return gradient.mul_(tanh.square_().neg_().add_(1.0))


def linear_scores(
    states: Tensor, weight: Tensor, bias: Tensor | None, token_ids: Tensor, bend: Bend
) -> tuple[Tensor, Tensor]:
    """Log pi of the tokens and entropy of the whole distribution, both [N] in nats; differentiable once.

    A logit of minus infinity, by a bias of minus infinity, is an impossible token and adds nothing to the entropy.
    The product with the head is in the dtype of the states, or of autocast, as it is inside the model; everything
    behind it is in float32 or wider, and so are the sums over the chunks.

    Args:
        states: [N, D].
        weight: [V, D].
        bias: [V] or None.
        token_ids: int64 [N].
        bend: from the layer's output to logits.
    """
    dtype = _product_dtype(states)
    scores: tuple[Tensor, Tensor]
    scores = _LinearScores.apply(states, weight, bias, token_ids, bend, dtype)  # type: ignore[no-untyped-call]
    return scores


@torch.no_grad()
def linear_log_probs(states: Tensor, weight: Tensor, bias: Tensor | None, token_ids: Tensor, bend: Bend) -> Tensor:
    """The log-probs [N] of ``linear_scores`` alone, without gradient."""
    head = _Head(states, weight, bias, bend, _product_dtype(states))
    log_probs = states.new_empty(len(states), dtype=head.wide)
    for rows in head.chunks():
        logits = head.logits(rows)
        log_probs[rows] = _chosen(logits, token_ids[rows]) - logits.logsumexp(dim=-1)
    return log_probs


class _LinearScores(torch.autograd.Function):
    """See ``linear_scores``."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        token_ids: Tensor,
        bend: Bend,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        head = _Head(states, weight, bias, bend, dtype)
        log_probs, log_sums, entropy = (states.new_empty(len(states), dtype=head.wide) for _ in range(3))
        for rows in head.chunks():
            logits = head.logits(rows)
            log_sums[rows] = logits.logsumexp(dim=-1)
            of_all = logits.sub_(log_sums[rows, None])
            log_probs[rows] = _chosen(of_all, token_ids[rows])
            entropy[rows] = of_all.exp().mul_(_finite(of_all)).sum(dim=-1).neg_()
        ctx.save_for_backward(states, weight, bias, token_ids, log_sums, entropy)
        ctx.bend, ctx.dtype = bend, dtype
        return log_probs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, log_prob_grad: Tensor, entropy_grad: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, bias, token_ids, log_sums, entropy = ctx.saved_tensors
        head = _Head(states, weight, bias, ctx.bend, ctx.dtype)
        sums = [
            torch.zeros_like(tensor, dtype=head.wide) if wanted else None
            for tensor, wanted in zip((states, weight, bias), ctx.needs_input_grad[:3], strict=True)
        ]
        for rows in head.chunks():
            logits = head.logits(rows)
            # With p = softmax(z), entropy H and token a: d log p_a / dz = onehot(a) - p, dH / dz = -p (log p + H).
            log_probs = logits - log_sums[rows, None]
            probs = log_probs.exp()
            slope = _finite(log_probs).add_(entropy[rows, None]).mul_(entropy_grad[rows, None])
            gradient = probs.mul_(slope.add_(log_prob_grad[rows, None])).neg_()
            gradient.scatter_add_(-1, token_ids[rows, None], log_prob_grad[rows, None])
            head.add_gradients(rows, ctx.bend.backward(gradient, logits), sums)
        states_grad, weight_grad, bias_grad = (
            total if total is None else total.to(tensor.dtype)
            for total, tensor in zip(sums, (states, weight, bias), strict=True)
        )
        return states_grad, weight_grad, bias_grad, None, None, None


class _Head:
    """States and head in the dtype of their product: the logits of a chunk, and what a chunk adds to the gradients."""

    def __init__(self, states: Tensor, weight: Tensor, bias: Tensor | None, bend: Bend, dtype: torch.dtype) -> None:
        self.states, self.weight = states.to(dtype), weight.to(dtype)
        self.bias = None if bias is None else bias.to(dtype)
        self.bend, self.dtype = bend, dtype
        self.wide = torch.promote_types(dtype, torch.float32)

    def chunks(self) -> Iterator[slice]:
        step = max(1, LOGITS_AT_ONCE // len(self.weight))
        yield from (slice(start, start + step) for start in range(0, len(self.states), step))

    def logits(self, rows: slice) -> Tensor:
        """[n, V], float32 or wider."""
        return self.bend(torch.nn.functional.linear(self.states[rows], self.weight, self.bias).to(self.wide))

    def add_gradients(self, rows: slice, gradient: Tensor, sums: list[Tensor | None]) -> None:
        """Add to the gradients of states, weight and bias, where they are wanted, from that of the layer's output."""
        states_grad, weight_grad, bias_grad = sums
        narrow = gradient.to(self.dtype)
        if states_grad is not None:
            states_grad[rows] = narrow @ self.weight
        if weight_grad is not None and self.dtype == self.wide:
            weight_grad.addmm_(narrow.T, self.states[rows])
        elif weight_grad is not None:
            weight_grad += narrow.T @ self.states[rows]
        if bias_grad is not None:
            bias_grad += gradient.sum(dim=0)


def _product_dtype(states: Tensor) -> torch.dtype:
    device = states.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype


def _chosen(logits: Tensor, token_ids: Tensor) -> Tensor:
    return logits.gather(-1, token_ids[:, None]).squeeze(-1)


def _finite(logits: Tensor) -> Tensor:
    """Minus infinity replaced by 0, in place, so that its product with a probability of 0 is no NaN."""
    return logits.masked_fill_(logits == -torch.inf, 0.0)
