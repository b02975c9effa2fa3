"""A KV cache with room: a new token is written into memory that is there already.

transformers' own dynamic layer copies the whole cache for each token, which on a CPU takes longer than the model. Only
full-attention layers are replaced; a layer of another kind (a sliding window) keeps transformers' own.

Axis legend: N rows, H heads, L positions, D head width; keys and values are [N, H, L, D].
"""

from typing import Any

from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

ROOM = 128
"""Positions added at a time."""


class RoomyLayer(DynamicLayer):  # type: ignore[misc]  # transformers is untyped here
    """Keys and values as views into buffers that have room behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.buffers: tuple[Tensor, ...] = ()

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append the states of new positions; returns all keys and values."""
        held = self.get_seq_length()
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = held + key_states.shape[-2]
        if not self.buffers or end > self.buffers[0].shape[-2]:
            old = (self.keys, self.values) if held else (key_states[..., :0, :], value_states[..., :0, :])
            self.buffers = tuple(_with_room(states, end + ROOM) for states in old)
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[..., held:end, :] = states
        self._view(end)
        return self.keys, self.values

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat each row, buffers included."""
        held = self.get_seq_length()
        self.buffers = tuple(buffer.repeat_interleave(repeats, dim=0) for buffer in self.buffers)
        self._view(held)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some rows, buffers included."""
        held = self.get_seq_length()
        self.buffers = tuple(buffer.index_select(0, indices) for buffer in self.buffers)
        self._view(held)

    def _view(self, length: int) -> None:
        self.keys, self.values = (buffer[..., :length, :] for buffer in self.buffers)


def _with_room(states: Tensor, length: int) -> Tensor:
    rows, heads, held, width = states.shape
    buffer = states.new_empty(rows, heads, length, width)
    buffer[..., :held, :] = states
    return buffer


def roomy_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache for a model of this configuration."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
