"""Tools inside a response: what is whose, the limits, the seeds, and the log-probs against plain forwards."""

from collections.abc import Sequence

import pytest
import torch

from spro.errors import ConfigError
from spro.lab.warm_start import build_tokenizer
from spro.models import Policy, Sequences, load_policy, response_log_probs
from spro.rollout import EmbeddedEngine, FinishReason, Response, Sampling
from spro.rollout.tools import ToolEngine
from spro.tasks.calculator import ALPHABET, answer_call
from spro.tasks.problem import Tool
from tests.models import byte_level_tokenizer

CALCULATOR = Tool("=", answer_call, 16)
TOKENIZER = build_tokenizer(ALPHABET)
EOS = TOKENIZER.eos_token_id
PROMPT, ANSWER = "37+85*4?", "37+85=22;22*4=88;#88"
WRITTEN = "".join("-" if i in (6, 7, 8, 14, 15, 16) else "w" for i in range(len(ANSWER))) + "w"
"""Which characters of the answer, and of the stop token behind it, the policy writes."""


def ids(text: str) -> tuple[int, ...]:
    return tuple(TOKENIZER.encode(text))


class Typist:
    """An engine that types out its script, and keeps the rules of engines strictly."""

    def __init__(self, *scripts: str, positions: int = 10**6) -> None:
        self.scripts = [(*ids(script), EOS) for script in scripts]
        self.positions = positions
        self.asked: list[tuple[list[tuple[int, ...]], Sampling, int]] = []
        self.version = 0

    def push(self, version: int) -> None:
        self.version = version

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        self.asked.append(([tuple(prompt) for prompt in prompts], sampling, seed))
        return [(self._type(tuple(prompt), sampling),) * sampling.group_size for prompt in prompts]

    def _type(self, begun: tuple[int, ...], sampling: Sampling) -> Response:
        assert len(begun) + sampling.max_response_length <= self.positions
        (script,) = (script for script in self.scripts if script[: len(begun)] == begun)
        rest = script[len(begun) :][: sampling.max_response_length]
        stops = [i for i, token in enumerate(rest) if token in (EOS, *sampling.stop_token_ids)]
        piece = rest[: stops[0] + 1] if stops else rest
        log_probs = tuple(-1.0 - len(begun) - i for i in range(len(piece)))
        return Response(piece, log_probs, FinishReason.STOP if stops else FinishReason.LENGTH, None, self.version)


def answer(prompt: str, typist: Typist, limit: int = 99, tool: Tool = CALCULATOR) -> Response:
    ((response,),) = ToolEngine(typist, tool, TOKENIZER).generate([ids(prompt)], Sampling(1, limit, 1.0), 0)
    return response


def shown(response: Response) -> str:
    """Which tokens the policy wrote, a character each."""
    mask = response.response_mask or (True,) * len(response.token_ids)
    return "".join("w" if is_written else "-" for is_written in mask)


def test_a_call_is_answered_in_the_middle_by_tokens_that_the_policy_did_not_write() -> None:
    response = answer(PROMPT, Typist(PROMPT + ANSWER))
    assert TOKENIZER.decode(response.token_ids) == ANSWER + "<eos>"
    assert shown(response) == WRITTEN
    assert response.finish_reason is FinishReason.STOP
    places = range(-1 - len(PROMPT), -1 - len(PROMPT) - len(WRITTEN), -1)
    assert response.rollout_log_probs == tuple(
        float(place) if kind == "w" else 0.0 for place, kind in zip(places, WRITTEN, strict=True)
    )


def test_an_unreadable_call_is_answered_too() -> None:
    text = "37+=!;37+85=22;#22"
    assert TOKENIZER.decode(answer(PROMPT, Typist(PROMPT + text)).token_ids) == text + "<eos>"


@pytest.mark.parametrize("limit", range(1, len(WRITTEN) + 3))
def test_the_tools_tokens_count_and_the_limit_holds_to_the_token(limit: int) -> None:
    response = answer(PROMPT, Typist(PROMPT + ANSWER), limit)
    whole = (*ids(ANSWER), EOS)
    size = len(response.token_ids)
    assert response.token_ids == whole[:size]
    assert shown(response) == WRITTEN[:size]
    assert shown(response)[-1] == "w", "an answer that nothing could follow is not written"
    # What is cut off beside the limit itself is an answer.
    assert size == min(limit, len(whole)) or (size < limit and set(WRITTEN[size:limit]) == {"-"})
    assert response.finish_reason == ("stop" if size == len(whole) else "length")


def test_a_call_too_many_ends_the_response() -> None:
    for allowed in range(3):
        tool = Tool("=", answer_call, allowed)
        response = answer(PROMPT, Typist(PROMPT + ANSWER), tool=tool)
        text, is_over = {0: ("37+85=", True), 1: ("37+85=22;22*4=", True), 2: (ANSWER + "<eos>", False)}[allowed]
        assert TOKENIZER.decode(response.token_ids) == text
        assert (response.finish_reason is FinishReason.LENGTH) == is_over


@pytest.mark.parametrize("cut", [i for i in range(len(WRITTEN)) if WRITTEN[i] == "w" or WRITTEN[i - 1] == "w"])
def test_a_response_is_continued_from_anywhere_that_the_policy_stood(cut: int) -> None:
    """Where it was about to write, in the middle of a call too, or had just ended a call."""
    begun = PROMPT + ANSWER[:cut]
    response = answer(begun, Typist(PROMPT + ANSWER), limit=len(WRITTEN) - cut)
    assert (*ids(begun), *response.token_ids) == (*ids(PROMPT + ANSWER), EOS)
    assert shown(response) == WRITTEN[cut:]


def test_a_response_is_never_empty_though_there_is_no_room_for_an_answer() -> None:
    response = answer(PROMPT + "37+85=", Typist(PROMPT + ANSWER), limit=3)
    assert (response.token_ids, response.finish_reason) == (ids("22;"), FinishReason.LENGTH)
    assert response.response_mask is None


def test_a_response_without_a_call_is_the_engines_own_to_the_seed() -> None:
    policy = load_policy("builtin:chain", "cpu")
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 16)
    prompts = [policy.tokenizer.encode(text) for text in ("3+5*2?8", "1-4+4*7?7", "9*9-1?1")]
    # The model never asks back.
    tools = ToolEngine(engine, Tool("?", str, 1), policy.tokenizer)
    sampling = Sampling(4, 64, 1.0)
    assert tools.generate(prompts, sampling, 3) == engine.generate(prompts, sampling, 3)


def test_the_engine_is_asked_once_a_round_with_seeds_of_their_own() -> None:
    other, typed = "1+2?", "1+2=3;#3"
    typist = Typist(PROMPT + ANSWER, other + typed)
    groups = ToolEngine(typist, CALCULATOR, TOKENIZER).generate([ids(PROMPT), ids(other)], Sampling(3, 40, 0.7), 5)
    assert [[TOKENIZER.decode(r.token_ids) for r in group] for group in groups] == [
        [ANSWER + "<eos>"] * 3,
        [typed + "<eos>"] * 3,
    ]
    assert [(len(prompts), asked.group_size) for prompts, asked, _ in typist.asked] == [(2, 3), (6, 1), (3, 1)]
    assert {asked.temperature for _, asked, _ in typist.asked} == {0.7}
    assert len({seed for _, _, seed in typist.asked}) == 3


def test_no_row_is_asked_beyond_the_positions_of_the_model() -> None:
    # Behind the first call the second has one token more, so that the room of the first does not fit behind it.
    prompts = ["1+2-3*4?", "9*9-3*4?"]
    scripts = ["1+2-3*4?1+2=3;3-3=0;0*4=0;#0", "9*9-3*4?9*9=81;81-3=78;78*4=12;#12"]
    limit = 30
    positions = len(prompts[0]) + limit
    sampling = Sampling(1, limit, 1.0)
    alone = [answer(prompt, Typist(script), limit) for prompt, script in zip(prompts, scripts, strict=True)]
    free, bound = Typist(*scripts), Typist(*scripts, positions=positions)
    for typist, limit_of_positions in ((free, None), (bound, positions)):
        tools = ToolEngine(typist, CALCULATOR, TOKENIZER, limit_of_positions)
        assert [group[0] for group in tools.generate([ids(prompt) for prompt in prompts], sampling, 0)] == alone
    assert len(free.asked) == 4
    assert len(bound.asked) > 4, "a round is divided"
    assert len({seed for _, _, seed in bound.asked}) == len(bound.asked)


def test_a_row_with_less_room_than_another_of_its_call_is_cut_where_its_own_ends() -> None:
    typist = Typist(PROMPT + "1" * 40, "1+2?1+2=3;" + "4" * 40)
    prompts = [ids(PROMPT), ids("1+2?1+2=")]
    (roomy,), (narrow,) = ToolEngine(typist, CALCULATOR, TOKENIZER).generate(prompts, Sampling(1, 20, 1.0), 0)
    assert [len(asked) for asked, _, _ in typist.asked] == [2]
    assert TOKENIZER.decode(roomy.token_ids) == "1" * 20
    assert TOKENIZER.decode(narrow.token_ids) == "3;" + "4" * 18
    assert len(narrow.rollout_log_probs) == len(narrow.response_mask or ()) == 20
    # The engine itself stopped one of them at the end of the other's room.
    short = Typist(PROMPT + "1" * 40, "1+2?1+2=3;" + "4" * 18)
    _, (narrow,) = ToolEngine(short, CALCULATOR, TOKENIZER).generate(prompts, Sampling(1, 20, 1.0), 0)
    assert (len(narrow.token_ids), narrow.finish_reason) == (20, FinishReason.LENGTH)


@pytest.mark.parametrize(("stop", "text"), [("=", "37+85="), ("*", "37+85=22;22*")])
def test_where_the_caller_stops_the_response_ends(stop: str, text: str) -> None:
    sampling = Sampling(1, 99, 1.0, stop_token_ids=ids(stop))
    ((response,),) = ToolEngine(Typist(PROMPT + ANSWER), CALCULATOR, TOKENIZER).generate([ids(PROMPT)], sampling, 0)
    assert (TOKENIZER.decode(response.token_ids), response.finish_reason) == (text, FinishReason.STOP)


def test_weights_are_pushed_through_and_their_version_comes_back() -> None:
    tools = ToolEngine(Typist(PROMPT + ANSWER), CALCULATOR, TOKENIZER)
    tools.push(7)
    ((response,),) = tools.generate([ids(PROMPT)], Sampling(1, 99, 1.0), 0)
    assert response.policy_version == 7


def test_no_prompt_is_no_work() -> None:
    assert ToolEngine(Typist(), CALCULATOR, TOKENIZER).generate([], Sampling(2, 9, 1.0), 0) == []


def test_every_token_whose_text_ends_a_call_does() -> None:
    tokenizer = byte_level_tokenizer()
    tools = ToolEngine(Typist(), CALCULATOR, tokenizer)
    assert tools.call_end_ids == {i for i in range(len(tokenizer)) if tokenizer.decode([i]).endswith("=")}
    with pytest.raises(ConfigError, match="no token that ends in '</call>'"):
        ToolEngine(Typist(), Tool("</call>", str, 1), tokenizer)


def test_a_tokenizer_that_cannot_write_the_answers_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot write 'so!;'"):
        ToolEngine(Typist(), Tool("=", lambda _: "so!;", 1), TOKENIZER)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("builtin:calculator", "cpu")


def real_engine(policy: Policy, max_rows: int = 64) -> ToolEngine:
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, max_rows)
    return ToolEngine(engine, CALCULATOR, policy.tokenizer, policy.model.config.max_position_embeddings)


def real_prompts() -> list[tuple[int, ...]]:
    return [ids(text) for text in ("37+85*4?", "5-66+7*80-9?", "99*98-97?", "12+34*56-78+90*1?")]


def test_sampled_log_probs_are_those_of_the_policy_behind_the_tools_answers(policy: Policy) -> None:
    prompts = real_prompts()
    groups = real_engine(policy).generate(prompts, Sampling(4, 96, 1.0), 1)
    flat = [(prompt, response) for prompt, group in zip(prompts, groups, strict=True) for response in group]
    masks = [response.response_mask or (True,) * len(response.token_ids) for _, response in flat]
    assert sum(mask.count(False) for mask in masks) > 100
    sequences = Sequences(
        prompts=tuple(prompt for prompt, _ in flat),
        responses=tuple(response.token_ids for _, response in flat),
        pad_token_id=policy.pad_token_id,
        masks=tuple(masks),
    )
    log_probs = response_log_probs(policy.model, sequences, 1.0, max_tokens=500)
    for row, ((_, response), mask) in enumerate(zip(flat, masks, strict=True)):
        sampled = torch.tensor(response.rollout_log_probs)
        torch.testing.assert_close(log_probs[row, : len(sampled)], sampled, rtol=0, atol=5e-5)
        assert not sampled[~torch.tensor(mask)].any()


def test_every_answer_in_a_sampled_response_is_the_calculators(policy: Policy) -> None:
    prompts = real_prompts()
    for prompt, group in zip(prompts, real_engine(policy).generate(prompts, Sampling(8, 96, 1.0), 2), strict=True):
        for response in group:
            assert response.response_mask is not None
            assert len(response.response_mask) == len(response.rollout_log_probs) == len(response.token_ids) <= 96
            text = TOKENIZER.decode(prompt)
            expected = ""
            for token, is_written in zip(response.token_ids, response.response_mask, strict=True):
                character = TOKENIZER.decode([token])
                assert is_written == (expected == "")
                if is_written:
                    expected = answer_call(text + "=") if character == "=" else ""
                else:
                    assert character == expected[0]
                    expected = expected[1:]
                text += character
            assert expected == "" or response.finish_reason is FinishReason.LENGTH


def test_the_same_seed_gives_the_same_responses_and_members_differ(policy: Policy) -> None:
    prompts, sampling = real_prompts(), Sampling(8, 96, 1.0)
    first, again, other = (real_engine(policy).generate(prompts, sampling, seed) for seed in (4, 4, 5))
    assert first == again
    assert first != other
    assert len({response.token_ids for response in first[-1]}) > 4, (
        "one of five operations, in which there is much to choose"
    )
    twins = real_engine(policy).generate([prompts[0], prompts[0]], sampling, 4)
    assert twins[0] != twins[1], "equal prompts share no random numbers"


def test_greedy_responses_do_not_depend_on_what_stands_beside_them(policy: Policy) -> None:
    prompts, greedy = real_prompts(), Sampling(2, 96, 0.0)
    alone = [real_engine(policy).generate([prompt], greedy, 0)[0] for prompt in prompts]
    for max_rows, order in ((64, [0, 1, 2, 3]), (2, [2, 0, 3, 1])):
        together = real_engine(policy, max_rows).generate([prompts[i] for i in order], greedy, 9)
        assert [[r.token_ids for r in group] for group in together] == [[r.token_ids for r in alone[i]] for i in order]
    assert all(one.token_ids == two.token_ids for one, two in alone)
