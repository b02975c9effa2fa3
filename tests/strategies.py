"""Random ragged batches for hypothesis."""

import torch
from hypothesis import strategies as st

from spro.credit import TokenBatch

reward = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0, width=32))


@st.composite
def token_batches(draw: st.DrawFn, max_rows: int = 7, max_width: int = 6) -> TokenBatch:
    """Responses with holes (tool tokens) in groups whose members need not be adjacent; NaN off the mask."""
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

    def log_probs() -> torch.Tensor:
        values = -3 * torch.rand(rows, width, generator=generator, dtype=torch.float64)
        return values.masked_fill(~mask, float("nan"))

    return TokenBatch(
        response_mask=mask,
        group_ids=torch.tensor(labels),
        outcome_rewards=torch.tensor(rewards, dtype=torch.float64),
        old_log_probs=log_probs(),
        ref_log_probs=log_probs(),
    )
