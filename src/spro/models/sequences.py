"""Prompts and responses as one rectangle of token ids.

Every row begins at the first column, and what it lacks is filled on the right, where no token of a causal model looks:

    [ x  x  y  y  y pad]
    [ x  x  x  x  y  y ]        W columns: the tokens of the longest row

So a rectangle is as wide as its longest row, not as its longest prompt and longest response together. What is read of
the responses is aligned on its own: column t of a [B, T] tensor is response token t of every row.

Axis legend: B rows, T response columns, W columns of the rectangle, N tokens that the policy wrote, row by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class Sequences:
    """Token ids of a batch, on the host's side as tuples so that slices can be cut tight without a device sync.

    Attributes:
        prompts: token ids of each row's prompt; never empty.
        responses: token ids of each row's response; never empty.
        pad_token_id: fills the rectangle.
        masks: which tokens of each response the policy wrote; None where it wrote all. The others, a tool's output,
            are read by the model and scored by nobody.
    """

    prompts: tuple[tuple[int, ...], ...]
    responses: tuple[tuple[int, ...], ...]
    pad_token_id: int
    masks: tuple[tuple[bool, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.responses)

    @property
    def response_width(self) -> int:
        """T, the tokens of the longest response."""
        return max(len(response) for response in self.responses)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of prompt and response together, a row."""
        return tuple(len(prompt) + len(response) for prompt, response in self._rows())

    def select(self, rows: Sequence[int]) -> "Sequences":
        """These rows in this order; their rectangle is as narrow as they allow."""
        masks = None if self.masks is None else tuple(self.masks[row] for row in rows)
        return Sequences(
            tuple(self.prompts[row] for row in rows),
            tuple(self.responses[row] for row in rows),
            self.pad_token_id,
            masks,
        )

    def response_mask(self, device: torch.device) -> Tensor:
        """Bool [B, T]: True on tokens that the policy wrote."""
        return _padded(self._written(), False).to(device)

    def rectangle(self, device: torch.device) -> Tensor:
        """Token ids, int64 [B, W]."""
        rows = [torch.tensor(prompt + response) for prompt, response in self._rows()]
        return _padded(rows, self.pad_token_id).to(device)

    def written_token_ids(self, device: torch.device) -> Tensor:
        """Int64 [N]: the tokens that the policy wrote."""
        responses = _padded([torch.tensor(response) for response in self.responses], self.pad_token_id)
        return responses[_padded(self._written(), False)].to(device)

    def predictors(self, device: torch.device) -> Tensor:
        """Int64 [N]: of each written token the place, in the rectangle read row by row, of the token before it."""
        # Found on the host: a boolean index on a device waits for it to count.
        row, column = _padded(self._written(), False).nonzero(as_tuple=True)
        before = torch.tensor([len(prompt) - 1 for prompt in self.prompts])
        return (row * max(self.lengths) + before[row] + column).to(device)

    def _rows(self) -> "zip[tuple[tuple[int, ...], tuple[int, ...]]]":
        return zip(self.prompts, self.responses, strict=True)

    def _written(self) -> list[Tensor]:
        if self.masks is None:
            return [torch.ones(len(response), dtype=torch.bool) for response in self.responses]
        return [torch.tensor(mask, dtype=torch.bool) for mask in self.masks]


def to_rectangle(flat: Tensor, mask: Tensor) -> Tensor:
    """[N] values of written tokens as [B, T], 0 off the bool [B, T] mask; differentiable."""
    # By counting, not by a boolean index, for which a device would have to wait.
    place = mask.flatten().cumsum(0).mul(mask.flatten()).view_as(mask)
    return torch.cat([flat.new_zeros(1), flat])[place]


def _padded(rows: list[Tensor], padding: float) -> Tensor:
    return pad_sequence(rows, batch_first=True, padding_value=padding)
