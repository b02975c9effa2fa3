"""Log-probs of responses: against plain forwards of many architectures, and independent of how rows are batched."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

from spro.models import Sequences, response_log_probs, response_states, score_responses, to_rectangle
from tests.models import tiny_model
from tests.unit.models.architectures import ARCHITECTURES, VOCABULARY, make

# More padding than the window of the sliding models, so that some padding sees nothing but padding.
SEQUENCES = Sequences(
    prompts=((5, 6, 7), (9,), (11, 12, 13, 14)),
    responses=((20, 21), (22, 23, 24, 25, 26, 27, 28, 29, 30, 31), (32,)),
    pad_token_id=0,
    masks=((True, True), (True, True, False, False, True, False, True, True, True, False), (True,)),
)
CPU = torch.device("cpu")


def plain_scores(model: PreTrainedModel, sequences: Sequences, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probs and entropy [B, T] from one plain forward a row and its whole logits."""
    log_probs = torch.zeros(len(sequences), sequences.response_width, dtype=model.dtype)
    entropy = torch.zeros_like(log_probs)
    for row, (prompt, response) in enumerate(zip(sequences.prompts, sequences.responses, strict=True)):
        logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        distribution = torch.distributions.Categorical(logits=logits.to(log_probs.dtype) / temperature)
        log_probs[row, : len(response)] = distribution.log_prob(torch.tensor(response))
        entropy[row, : len(response)] = distribution.entropy()
    mask = sequences.response_mask(CPU)
    return log_probs * mask, entropy * mask


def gradients(model: PreTrainedModel, log_probs: Tensor, entropy: Tensor) -> dict[str, Tensor]:
    """Of all parameters, of a sum in which every token and every row has a weight of its own."""
    weights = torch.linspace(-1.0, 2.0, log_probs.numel()).view_as(log_probs)
    model.zero_grad()
    (weights * log_probs + weights.flip(0) * entropy).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_log_probs_entropy_and_all_gradients_are_those_of_whole_logits(name: str) -> None:
    model = make(name)
    scores = score_responses(model, SEQUENCES, 0.7)
    assert scores.log_probs.dtype == scores.entropy.dtype == torch.float32
    found = gradients(model, scores.log_probs, scores.entropy)
    log_probs, entropy = plain_scores(model, SEQUENCES, 0.7)
    torch.testing.assert_close(scores.log_probs, log_probs.float(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(scores.entropy, entropy.float(), rtol=1e-6, atol=1e-6)
    expected = gradients(model, log_probs, entropy)
    assert sum(gradient.abs().sum() for gradient in expected.values()) > 1.0
    scale = max(gradient.abs().max() for gradient in expected.values())
    assert found.keys() == expected.keys()
    for parameter, gradient in expected.items():
        torch.testing.assert_close(found[parameter], gradient, rtol=0, atol=float(1e-6 * scale), msg=parameter)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_order_padding_and_packing_change_nothing(name: str) -> None:
    model = make(name)
    whole = score_responses(model, SEQUENCES, 1.0).log_probs.detach()
    for max_tokens in (1, 15, 22, 1000):
        packed = response_log_probs(model, SEQUENCES, 1.0, max_tokens)
        assert not packed.requires_grad
        torch.testing.assert_close(packed, whole, rtol=0, atol=1e-6)
    shuffled = response_log_probs(model, SEQUENCES.select([1, 2, 0]), 1.0, 15)
    torch.testing.assert_close(shuffled, whole[[1, 2, 0]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", ["qwen2", "gemma", "gpt2"])
def test_without_masks_every_response_token_is_scored(family: str) -> None:
    model = tiny_model(family)
    sequences = Sequences(SEQUENCES.prompts, SEQUENCES.responses, 0)
    scores = score_responses(model, sequences, 0.5)
    log_probs, entropy = plain_scores(model, sequences, 0.5)
    torch.testing.assert_close(scores.log_probs, log_probs, rtol=0, atol=2e-5)
    torch.testing.assert_close(scores.entropy, entropy, rtol=0, atol=2e-5)
    assert (scores.log_probs != 0).sum() == sum(map(len, sequences.responses))


def test_the_token_that_pads_matters_to_nothing() -> None:
    model = make("mistral, window 3")
    other = Sequences(SEQUENCES.prompts, SEQUENCES.responses, 41, SEQUENCES.masks)
    assert torch.equal(response_log_probs(model, other, 1.0, 1000), response_log_probs(model, SEQUENCES, 1.0, 1000))


def test_a_tool_s_tokens_are_read_and_not_scored() -> None:
    model = make("qwen2")
    answers = [
        response_log_probs(model, Sequences(((5,),), ((6, token, 8),), 0, ((True, False, True),)), 1.0, 100)[0]
        for token in (20, 21)
    ]
    assert answers[0][0] == answers[1][0] != 0
    assert answers[0][1] == answers[1][1] == 0
    assert answers[0][2] != answers[1][2]


def test_rows_of_which_the_policy_wrote_nothing() -> None:
    model = make("qwen2")
    sequences = Sequences(((5,), (6,)), ((7, 8), (9,)), 0, ((False, False), (False,)))
    scores = score_responses(model, sequences, 1.0)
    assert (scores.log_probs == 0).all()
    assert (scores.entropy == 0).all()
    (scores.log_probs.sum() + scores.entropy.sum()).backward()
    assert (response_log_probs(model, sequences, 1.0, 1) == 0).all()


def test_half_precision_stays_near_the_whole_logits() -> None:
    model = tiny_model("qwen2").bfloat16()
    scores = score_responses(model, SEQUENCES, 1.0)
    log_probs, entropy = plain_scores(model.float(), SEQUENCES, 1.0)
    assert scores.log_probs.dtype == torch.float32
    torch.testing.assert_close(scores.log_probs, log_probs, rtol=0, atol=2e-2)
    torch.testing.assert_close(scores.entropy, entropy, rtol=0, atol=2e-2)


def test_states_are_those_before_each_written_token() -> None:
    model = make("gpt2, tied")
    states = response_states(model, SEQUENCES)
    expected = [
        model.transformer(torch.tensor([prompt + response])).last_hidden_state[0, len(prompt) - 1 + t]
        for prompt, response, mask in zip(SEQUENCES.prompts, SEQUENCES.responses, SEQUENCES.masks or (), strict=True)
        for t, written in enumerate(mask)
        if written
    ]
    torch.testing.assert_close(states, torch.stack(expected))
    values = to_rectangle(states[:, 0], SEQUENCES.response_mask(CPU))
    assert values.shape == (3, SEQUENCES.response_width)
    assert torch.equal(values[SEQUENCES.response_mask(CPU)], states[:, 0])
    assert (values[~SEQUENCES.response_mask(CPU)] == 0).all()


def test_a_bare_decoder_has_states_too() -> None:
    model = make("qwen2")
    assert torch.equal(response_states(model.model, SEQUENCES), response_states(model, SEQUENCES))


def test_a_check_is_made_before_each_forward_and_may_stop_the_scoring() -> None:
    model = make("qwen2")
    forwards: list[int] = []
    model.model.register_forward_hook(lambda *_: forwards.append(1))
    seen: list[int] = []
    response_log_probs(model, SEQUENCES, 1.0, 1, check=lambda: seen.append(len(forwards)))
    # The first forward of all finds out what the head is.
    assert seen[1:] == [seen[1], seen[1] + 1]

    def stop() -> None:
        raise KeyboardInterrupt

    before = len(forwards)
    with pytest.raises(KeyboardInterrupt):
        response_log_probs(model, SEQUENCES, 1.0, 1, check=stop)
    assert len(forwards) == before


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_rows_any_masks_any_budget(data: st.DataObject) -> None:
    tokens = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=6).map(tuple)
    prompts = data.draw(st.lists(tokens, min_size=1, max_size=5))
    responses = [data.draw(tokens) for _ in prompts]
    masks = [tuple(data.draw(st.booleans()) for _ in response) for response in responses]
    sequences = Sequences(tuple(prompts), tuple(responses), 0, tuple(masks))
    packed = response_log_probs(MODEL, sequences, 1.0, data.draw(st.integers(1, 40)))
    with torch.no_grad():
        expected, _ = plain_scores(MODEL, sequences, 1.0)
    torch.testing.assert_close(packed, expected.float(), rtol=0, atol=1e-5)


MODEL = make("mistral, window 3")
