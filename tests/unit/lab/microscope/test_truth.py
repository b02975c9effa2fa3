"""Truths of responses: continuations against every continuation written out, and the exact judge of steps."""

import itertools
import math

import pytest
import torch

from spro.credit import METHODS
from spro.lab.microscope.rollouts import _split_into_tokens
from spro.lab.microscope.truth import (
    ERRORS,
    ExactTruth,
    SampledTruth,
    exact_step_rewards,
    exact_truth,
    monte_carlo_truth,
)
from spro.models import Policy, load_policy
from spro.rollout import EmbeddedEngine, FinishReason, Response, Sampling
from spro.tasks import Message, Problem, Prompt
from spro.train.experience import gather_experience
from spro.train.group import Group
from spro.train.judge import Judge
from spro.train.reward import OverlongPenalty
from spro.train.steps import StepSplitter
from spro.train.vine import StateValue, StepValues
from spro.verify import Grader, Verdict, verify_chain

LIMIT = 3


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("builtin:chain", "cpu")


def judge_of(policy: Policy) -> Judge:
    return Judge(Grader({"chain": verify_chain}, 1), policy.tokenizer, OverlongPenalty(64))


def group_of(policy: Policy, solved: str, *texts: str, limit: int = LIMIT) -> Group:
    """Responses behind a problem of which some lines are in the prompt already."""
    problem = Problem("p", (Message(role="user", content="3+5*2?"),), "6", "chain", "chain")
    prompt = Prompt(problem, tuple(policy.tokenizer.encode(f"3+5*2?{solved}")))
    rows = [tuple(policy.tokenizer.encode(text)) for text in texts]
    stop = policy.tokenizer.eos_token_id
    rows = [row if len(row) == limit else (*row, stop) for row in rows]
    reasons = [FinishReason.STOP if row[-1] == stop else FinishReason.LENGTH for row in rows]
    responses = tuple(Response(row, (0.0,) * len(row), reason) for row, reason in zip(rows, reasons, strict=True))
    judged = judge_of(policy)([(prompt, row) for row in rows])
    return Group(prompt, responses, tuple(judged))


@torch.no_grad()
def exact_value(policy: Policy, prompt: Prompt, begun: tuple[int, ...], left: int) -> float:
    """Expected score by all continuations: a forward for each prefix, nothing shared with the engine."""
    logits = policy.model(torch.tensor([[*prompt.token_ids, *begun]])).logits[0, -1]
    value = 0.0
    for token_id, probability in enumerate(logits.softmax(-1).tolist()):
        if probability < 1e-7:
            continue
        row = (*begun, token_id)
        if token_id in policy.stop_token_ids or left == 1:
            text = policy.tokenizer.decode(row, skip_special_tokens=True)
            value += probability * (verify_chain(text, "6").score or 0.0)
        else:
            value += probability * exact_value(policy, prompt, row, left - 1)
    return value


def test_continuations_come_to_the_exact_advantages(policy: Policy) -> None:
    group = group_of(policy, "8*2;4;", "#6", "#4", "6;#")
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 512)
    samples = 1500
    values = StepValues(engine, judge_of(policy), Sampling(3, LIMIT, 1.0), samples, None)
    found = monte_carlo_truth(_split_into_tokens([group]), values, seed=5)
    assert found.kept == (0,)
    assert found.lost == 0
    for row, response in enumerate(group.responses):
        states = [
            exact_value(policy, group.prompt, response.token_ids[:t], LIMIT - t) for t in range(len(response.token_ids))
        ]
        for t, after in enumerate([*states[1:], group.scores[row]]):
            error = found.truth.errors[row][t]
            assert 0 < error <= 2 * math.sqrt(0.5 / samples)
            assert found.truth.values[row][t] == pytest.approx(after - states[t], abs=4 * error)
    # All that its steps gained is what a response gains from its first state to its score.
    for row, score in enumerate(group.scores):
        start = score - sum(found.truth.values[row])
        assert start == pytest.approx(exact_value(policy, group.prompt, (), LIMIT), abs=0.05)


def test_it_is_what_vineppo_says_of_the_same_states(policy: Policy) -> None:
    group = group_of(policy, "", "8*2;6;#6", "9*2;8;#8", limit=24)
    split = StepSplitter(policy.tokenizer, ";")([group], 0).groups
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 64)
    values = StepValues(engine, judge_of(policy), Sampling(2, 24, 1.0), 16, None)
    truth = monte_carlo_truth(split, values, seed=1).truth
    again = values(split, 1).groups
    batch = gather_experience(again, METHODS["vineppo"].needs, 0, torch.device("cpu")).batch
    said = METHODS["vineppo"]()(batch)
    for row, true in enumerate(truth.values):
        torch.testing.assert_close(said[row, : len(true)], torch.tensor(true))


def fails_on(answer: str) -> Judge:
    """A judge whose verifier breaks on one answer, so that no response with it can be graded."""

    def verify(response: str, ground_truth: str) -> Verdict:
        if response.endswith(answer):
            raise RuntimeError("broken")
        return verify_chain(response, ground_truth)

    policy = load_policy("builtin:chain", "cpu")
    return Judge(Grader({"chain": verify}, 1), policy.tokenizer, OverlongPenalty(64))


def test_a_continuation_that_cannot_be_graded_is_no_ground_for_certainty(policy: Policy) -> None:
    """The error of a state is of as many as were graded there: some are lost before the answer, none behind it."""
    group = group_of(policy, "9*2;", "8;#8", "8;#6", limit=24)
    # Of 12, one seed in seven loses none.
    samples = 48
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 64)
    split = _split_into_tokens([group])
    values = StepValues(engine, fails_on("#4"), Sampling(2, 24, 3.0), samples, None)
    found = monte_carlo_truth(split, values, seed=3)
    (rows,) = values.roll_out(split, 3).states
    assert rows is not None
    graded = {
        response.token_ids[:t]: state.graded
        for row, response in zip(rows, group.responses, strict=True)
        for t, state in enumerate(row)
    }
    assert sum(samples - count for count in graded.values()) == found.lost > 0
    assert min(graded.values()) < samples == max(graded.values())
    for row, states in enumerate(rows):
        for t in range(len(states)):
            assert found.truth.errors[row][t] == pytest.approx(math.sqrt(sum(map(variance, states[t : t + 2]))))


def variance(state: StateValue) -> float:
    share = (state.mean * state.graded + 1) / (state.graded + 2)
    return share * (1 - share) / state.graded


def test_the_truth_speaks_where_it_is_beyond_its_error() -> None:
    assert ExactTruth(((0.0, -1.0),)).speaks == ((False, True),)
    continued = SampledTruth(((0.3, -0.3, 0.0),), ((0.1, 0.3 / ERRORS, 0.0),), 8)
    assert continued.speaks == ((True, False, False),)
    assert continued.of([0]) == continued
    assert ExactTruth(((0.0,), (1.0,))).of([1]).values == ((1.0,),)


def test_an_exact_judge_of_steps(policy: Policy) -> None:
    group = group_of(policy, "", "8*2;6;#6", "9*2;8;#8", "8*2;4;6;#6", "8*2", limit=24)
    split = StepSplitter(policy.tokenizer, ";")([group], 0).groups
    truth = exact_truth(split, policy.tokenizer)
    assert [sum(row) for row in truth.values] == [0, -1, 0, -1]
    assert exact_step_rewards(truth, split) == [[1, 1, 1], [-1, -1, -1], [1, -1, 1, 1], [-1]]


def test_a_tool_s_tokens_belong_to_the_call_before_them(policy: Policy) -> None:
    group = group_of(policy, "", "8*2;6;#6", limit=24)
    mask = tuple(t not in (3, 4) for t in range(9))
    response = Response(group.responses[0].token_ids, (0.0,) * 9, FinishReason.STOP, mask)
    (split,) = _split_into_tokens([Group(group.prompt, (response,), group.judged)])
    assert split.step_ids == ((0, 1, 2, 2, 2, 3, 4, 5, 6),)
    assert list(itertools.accumulate(mask)) == [1, 2, 3, 3, 3, 4, 5, 6, 7]
