"""Log-probs of responses: against one plain forward a response, and independent of how rows are batched."""

import pytest
import torch

from spro.models import Sequences, response_log_probs, score_responses
from tests.models import tiny_model

SEQUENCES = Sequences(
    prompts=((5, 6, 7), (9,), (11, 12, 13, 14)),
    responses=((20, 21), (22, 23, 24, 25, 26), (27,)),
    pad_token_id=0,
)


def test_layout() -> None:
    token_ids, attention_mask = SEQUENCES.rectangle(torch.device("cpu"))
    assert token_ids.tolist() == [
        [0, 5, 6, 7, 20, 21, 0, 0, 0],
        [0, 0, 0, 9, 22, 23, 24, 25, 26],
        [11, 12, 13, 14, 27, 0, 0, 0, 0],
    ]
    assert attention_mask.tolist() == [
        [0, 1, 1, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize("family", ["qwen2", "llama", "gemma", "gpt2"])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_against_one_plain_forward_a_response(family: str, temperature: float) -> None:
    model = tiny_model(family)
    scores = score_responses(model, SEQUENCES, temperature)
    for row, (prompt, response) in enumerate(zip(SEQUENCES.prompts, SEQUENCES.responses, strict=True)):
        logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1] / temperature
        distribution = torch.distributions.Categorical(logits=logits)
        length = len(response)
        expected = distribution.log_prob(torch.tensor(response))
        torch.testing.assert_close(scores.log_probs[row, :length], expected, rtol=0, atol=2e-5)
        torch.testing.assert_close(scores.entropy[row, :length], distribution.entropy(), rtol=0, atol=2e-5)
        assert (scores.log_probs[row, length:] == 0).all()
        assert (scores.entropy[row, length:] == 0).all()


@pytest.mark.parametrize("micro_batch_size", [1, 2, 3, 100])
def test_micro_batches_change_nothing(micro_batch_size: int) -> None:
    model = tiny_model("qwen2")
    whole = score_responses(model, SEQUENCES, 1.0)
    split = response_log_probs(model, SEQUENCES, 1.0, micro_batch_size)
    torch.testing.assert_close(split, whole.log_probs, rtol=0, atol=1e-5)
    assert not split.requires_grad
