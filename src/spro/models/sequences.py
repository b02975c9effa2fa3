"""Prompts and responses as one rectangle of token ids.

Prompts are padded on the left and responses on the right, so that column P is the first response token of every row:

    [pad pad  x  x | y  y  y pad]        P prompt columns, T response columns

Axis legend: B rows, P prompt columns, T response columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sequences:
    """Token ids of a batch, on the host's side as tuples so that slices can be cut tight without a device sync.

    Attributes:
        prompts: token ids of each row's prompt; never empty.
        responses: token ids of each row's response; never empty.
        pad_token_id: fills the rectangle; attention never sees it.
    """

    prompts: tuple[tuple[int, ...], ...]
    responses: tuple[tuple[int, ...], ...]
    pad_token_id: int

    def __len__(self) -> int:
        return len(self.responses)

    @property
    def response_width(self) -> int:
        """T, the tokens of the longest response."""
        return max(len(response) for response in self.responses)

    def rows(self, start: int, stop: int) -> "Sequences":
        """The rows ``start`` to ``stop``; its rectangle is as narrow as they allow."""
        return Sequences(self.prompts[start:stop], self.responses[start:stop], self.pad_token_id)

    def response_mask(self, device: torch.device) -> Tensor:
        """Bool [B, T]: True on response tokens."""
        lengths = torch.tensor([len(response) for response in self.responses], device=device)
        return torch.arange(self.response_width, device=device) < lengths[:, None]

    def rectangle(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Token ids and attention mask, both int [B, P + T]."""
        width = max(len(prompt) for prompt in self.prompts)
        pad = self.pad_token_id
        ids = [
            [pad] * (width - len(prompt))
            + list(prompt)
            + list(response)
            + [pad] * (self.response_width - len(response))
            for prompt, response in zip(self.prompts, self.responses, strict=True)
        ]
        lengths = torch.tensor([len(prompt) for prompt in self.prompts], device=device)
        visible_prompt = torch.arange(width, device=device) >= width - lengths[:, None]
        attention_mask = torch.cat([visible_prompt, self.response_mask(device)], dim=1).long()
        return torch.tensor(ids, device=device), attention_mask


def pad_columns(tensor: Tensor, width: int) -> Tensor:
    """Append zero columns to a [B, T'] tensor until it has ``width`` of them."""
    return torch.nn.functional.pad(tensor, (0, width - tensor.shape[1]))


def concatenate_rows(tensors: Sequence[Tensor], width: int) -> Tensor:
    """Stack [b, T'] tensors of different widths into one [B, width]."""
    return torch.cat([pad_columns(tensor, width) for tensor in tensors])
