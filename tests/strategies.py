"""Random ragged batches for hypothesis, with every tensor that a method may need."""

from dataclasses import MISSING, fields

import torch
from hypothesis import strategies as st
from torch import Tensor

from spro.credit import METHODS, Method, TokenBatch

reward = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0, width=32))


def default_method(name: str) -> Method:
    """A method with its defaults, and 1 in place of those that it does not have."""
    method = METHODS[name]
    return method(**{field.name: field.type(1) for field in fields(method) if field.default is MISSING})


@st.composite
def token_batches(draw: st.DrawFn, max_rows: int = 7, max_width: int = 6) -> TokenBatch:
    """Responses with holes (tool tokens) in groups whose members need not be adjacent; NaN and junk off the mask.

    Tokens come from an alphabet of two, so that prefixes are shared. Steps rise along the response, with tokens of no
    step between them; there are more step slots than steps.
    """
    rows = draw(st.integers(1, max_rows))
    width = draw(st.integers(1, max_width))
    kinds = st.one_of(
        st.integers(1, width).map(lambda n: [t < n for t in range(width)]),
        st.lists(st.booleans(), min_size=width, max_size=width),
    )
    labels = draw(st.lists(st.sampled_from([-3, 0, 5, 41]), min_size=rows, max_size=rows))
    rewards = draw(st.lists(reward, min_size=rows, max_size=rows))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    mask = torch.tensor(draw(st.lists(kinds, min_size=rows, max_size=rows)))
    return filled(mask, labels, rewards, generator)


def filled(mask: Tensor, labels: list[int], rewards: list[float], generator: torch.Generator) -> TokenBatch:
    """A batch with a random value wherever a method may look."""
    rows, width = mask.shape

    def on_mask(values: Tensor) -> Tensor:
        return values.masked_fill(~mask, float("nan"))

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    step_ids = steps(mask, generator)
    step_mask = torch.arange(width + 2) <= step_ids.max(dim=1).values[:, None]
    return TokenBatch(
        response_mask=mask,
        group_ids=torch.tensor(labels),
        outcome_rewards=torch.tensor(rewards, dtype=torch.float64),
        token_ids=torch.randint(0, 2, (rows, width), generator=generator).masked_fill(~mask, -99),
        old_log_probs=on_mask(-3 * uniform(rows, width)),
        ref_log_probs=on_mask(-3 * uniform(rows, width)),
        prm_log_probs=on_mask(-3 * uniform(rows, width)),
        values=on_mask(uniform(rows, width)),
        greedy_rewards=uniform(rows),
        step_ids=step_ids,
        step_rewards=(2 * uniform(rows, width + 2) - 1).masked_fill(~step_mask, float("nan")),
        step_values=uniform(rows, width + 2).masked_fill(~step_mask, float("nan")),
        step_mask=step_mask,
    )


def steps(mask: Tensor, generator: torch.Generator) -> Tensor:
    """Step ids: rising where the response is written, -1 off the mask and at some tokens between steps."""
    begins = (torch.rand(mask.shape, generator=generator) < 0.5) & mask
    ids = begins.long().cumsum(dim=1) - 1
    is_delimiter = (torch.rand(mask.shape, generator=generator) < 0.2) & ~begins
    return ids.masked_fill(~mask | is_delimiter, -1)


def rows_of(batch: TokenBatch, order: Tensor) -> TokenBatch:
    """The batch with its rows in another order, or some of them."""
    return TokenBatch(**{f.name: _pick(getattr(batch, f.name), order) for f in fields(batch)})


def _pick(tensor: Tensor | None, order: Tensor) -> Tensor | None:
    return None if tensor is None else tensor[order]


def widened(batch: TokenBatch, extra: int) -> TokenBatch:
    """The batch with ``extra`` columns of padding that hold junk."""
    _, width = batch.shape
    junk = {torch.bool: False, torch.float64: float("nan"), torch.float32: float("inf"), torch.int64: -1}

    def widen(tensor: Tensor | None) -> Tensor | None:
        if tensor is None or tensor.shape[1:] != (width,):
            return tensor
        return torch.nn.functional.pad(tensor, (0, extra), value=junk[tensor.dtype])

    return TokenBatch(**{f.name: widen(getattr(batch, f.name)) for f in fields(batch)})
