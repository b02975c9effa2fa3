"""The embedded engine: a decode loop over any causal model of transformers with a KV cache.

One prefill a prompt serves its whole group; a finished row leaves the batch, and with it its cache; the log-prob of
each sampled token is kept. It samples from the very weights that are being trained, so there is nothing to sync.

Axis legend: P prompts, N living rows, L prompt positions (left-padded), V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from spro.errors import TrainingError
from spro.rollout.cache import roomy_cache
from spro.rollout.engine import FinishReason, Response, Sampling

Item = TypeVar("Item")


@dataclass(slots=True)
class _Living:
    """The rows that still write, as parallel tensors over N; ``rows`` says which responses they are."""

    rows: Tensor
    logits: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    cache: DynamicCache

    def keep(self, kept: Tensor) -> None:
        """Drop every row but those at the indices ``kept``, and their part of the cache."""
        self.rows, self.logits = self.rows[kept], self.logits[kept]
        self.attention_mask, self.position_ids = self.attention_mask[kept], self.position_ids[kept]
        self.cache.batch_select_indices(kept)


class EmbeddedEngine:
    """Samples groups of responses with the model that is handed to it.

    Args:
        model: any causal model whose forward takes ``past_key_values``; left in the mode in which it comes.
        stop_token_ids: tokens that end a response.
        pad_token_id: fills prompts on the left; its value never matters.
        max_rows: responses decoded side by side at most; bounds the memory of the cache.
        check: called before each token; what it raises ends the rollout.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        stop_token_ids: Sequence[int],
        pad_token_id: int,
        max_rows: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self.pad_token_id = pad_token_id
        self.max_rows = max_rows
        self.check = check
        self.stop_token_ids = frozenset(stop_token_ids)
        self.version = 0

    def push(self, version: int) -> None:
        """See ``Engine.push``: the weights are read where they are, so only their version is noted."""
        self.version = version

    @torch.inference_mode()
    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        """See ``Engine.generate``."""
        generator = torch.Generator(self.model.device).manual_seed(seed)
        groups: dict[int, tuple[Response, ...]] = {}
        # Prompts of like length side by side: a short one beside a long one is mostly padding.
        by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        # A group of more than the cache may hold comes in parts.
        parts = [replace(sampling, group_size=size) for size in _sizes(sampling.group_size, self.max_rows)]
        for chunk in _chunks(by_length, max(1, self.max_rows // sampling.group_size)):
            asked = [prompts[index] for index in chunk]
            answers = [self._generate_chunk(asked, part, generator) for part in parts]
            groups |= {index: sum(own, ()) for index, own in zip(chunk, zip(*answers, strict=True), strict=True)}
        return [groups[index] for index in range(len(prompts))]

    def _generate_chunk(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, generator: torch.Generator
    ) -> list[tuple[Response, ...]]:
        size, limit = sampling.group_size, sampling.max_response_length
        stops = torch.tensor(sorted(self.stop_token_ids.union(sampling.stop_token_ids)), device=self.model.device)
        living = self._prefill(prompts, size)
        token_ids = torch.full((len(living.rows), limit), self.pad_token_id, device=self.model.device)
        log_probs = torch.zeros(len(living.rows), limit, device=self.model.device)
        lengths = torch.full((len(living.rows),), limit, device=self.model.device)
        stopped = torch.zeros(len(living.rows), dtype=torch.bool, device=self.model.device)
        for position in range(limit):
            self.check()
            chosen, chosen_log_probs = _sample(living.logits, sampling.temperature, generator)
            token_ids[living.rows, position] = chosen
            log_probs[living.rows, position] = chosen_log_probs
            ends = torch.isin(chosen, stops)
            lengths[living.rows[ends]] = position + 1
            stopped[living.rows[ends]] = True
            if position + 1 == limit:
                break
            (kept,) = torch.where(~ends)
            if len(kept) == 0:
                break
            if len(kept) < len(ends):
                living.keep(kept)
            self._advance(living, chosen[kept])
        rows = zip(token_ids.tolist(), log_probs.tolist(), lengths.tolist(), stopped.tolist(), strict=True)
        responses = [
            Response(
                tuple(ids[:n]),
                tuple(lps[:n]),
                FinishReason.STOP if stop else FinishReason.LENGTH,
                policy_version=self.version,
            )
            for ids, lps, n, stop in rows
        ]
        return [tuple(group) for group in _chunks(responses, size)]

    def _prefill(self, prompts: Sequence[Sequence[int]], group_size: int) -> _Living:
        """Run each prompt once and hand its cache to every member of its group."""
        device = self.model.device
        width = max(len(prompt) for prompt in prompts)
        padded = [[self.pad_token_id] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        columns = torch.arange(width, device=device)
        attention_mask = (columns >= width - lengths[:, None]).long()
        position_ids = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        cache = roomy_cache(self.model.config)
        output = self.model(
            input_ids=torch.tensor(padded, device=device),
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        # Once a prompt is enough: weights that went bad show at once. On a GPU, sampling would kill the whole process.
        if not output.logits.float().logsumexp(dim=-1).isfinite().all():
            raise TrainingError(
                "the policy's logits are not finite: its weights are bad, from the start or by too high a learning rate"
            )
        cache.batch_repeat_interleave(group_size)
        return _Living(
            rows=torch.arange(len(prompts) * group_size, device=device),
            logits=output.logits[:, -1].float().repeat_interleave(group_size, dim=0),
            attention_mask=attention_mask.repeat_interleave(group_size, dim=0),
            position_ids=position_ids[:, -1:].repeat_interleave(group_size, dim=0),
            cache=cache,
        )

    def _advance(self, living: _Living, chosen: Tensor) -> None:
        """Feed each living row the token it has just written."""
        living.attention_mask = torch.nn.functional.pad(living.attention_mask, (0, 1), value=1)
        living.position_ids = living.position_ids + 1
        output = self.model(
            input_ids=chosen[:, None],
            attention_mask=living.attention_mask,
            position_ids=living.position_ids,
            past_key_values=living.cache,
            use_cache=True,
        )
        living.logits = output.logits[:, -1].float()


def _sample(logits: Tensor, temperature: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One token a row and its log-prob; at temperature 0 the most likely one, with its log-prob at temperature 1."""
    scaled = (logits / temperature if temperature > 0 else logits).log_softmax(dim=-1)
    if temperature > 0:
        chosen = torch.multinomial(scaled.exp(), 1, generator=generator)
    else:
        chosen = scaled.argmax(dim=-1, keepdim=True)
    return chosen.squeeze(1), scaled.gather(1, chosen).squeeze(1)


def _sizes(total: int, most: int) -> list[int]:
    """``total`` in parts of ``most``; the last may be smaller."""
    return [min(most, total - start) for start in range(0, total, most)]


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
