"""What methods need beside log-probs: steps, greedy answers, values of steps; and the tensors made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch

from spro.config import Config
from spro.credit import METHODS
from spro.models import load_policy
from spro.rollout import EmbeddedEngine, FinishReason, Response, Sampling
from spro.settings import load_config
from spro.tasks import encode_prompts
from spro.tasks.chain import load_chain
from spro.train.companions import BUILDERS
from spro.train.experience import GROUP_TENSORS
from spro.train.greedy import GreedyAnswers
from spro.train.group import Group, Unscored
from spro.train.judge import Judged
from spro.train.lessons import KnownLessons
from spro.train.prepare import build_preparations
from spro.train.reward import OverlongPenalty
from spro.train.sampling import sample_groups
from spro.train.steps import StepSplitter
from spro.train.vine import StepValues
from spro.verify import Status, Verdict
from tests.unit.train.builders import FREE, Scorer, make_group, make_judge, make_learner, make_scorer


class Digits:
    """A tokenizer of one character a token: 0 to 9, ``;`` and the stop token."""

    def decode(self, token_ids: Sequence[int], skip_special_tokens: bool) -> str:
        return "".join("0123456789;"[i] for i in token_ids if i < 11)


@dataclass
class Counting:
    """Continuation number n of each prompt writes the digit n."""

    calls: list[tuple[list[tuple[int, ...]], Sampling, int]] = field(default_factory=list)
    length: int = 1

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        self.calls.append(([tuple(prompt) for prompt in prompts], sampling, seed))
        size = min(self.length, sampling.max_response_length)
        one = [Response((n,) * size, (-1.0,) * size, FinishReason.STOP) for n in range(sampling.group_size)]
        return [tuple(one) for _ in prompts]


def share_of_ones(response: str, ground_truth: str) -> Verdict:
    """The share of the digit 1; a 9 cannot be graded."""
    if "9" in response:
        return Verdict(None, Status.UNSCORED, detail="nine")
    return Verdict(response.count("1") / len(response), Status.PARTIAL)


def group_of(*texts: str, index: int = 0) -> Group:
    group = make_group(index, [0.5] * len(texts))
    problem = replace(group.prompt.problem, verifier="ones")
    judged = tuple(Judged(text, group.verdicts[0], 0.5) for text in texts)
    responses = tuple(
        Response(tuple("0123456789;".index(c) for c in text), (-1.0,) * len(text), FinishReason.STOP) for text in texts
    )
    return replace(group, prompt=replace(group.prompt, problem=problem), responses=responses, judged=judged)


def vine(engine: Counting, positions: int | None = None, penalty: OverlongPenalty = FREE) -> StepValues:
    judge = make_judge(Digits(), penalty, ones=share_of_ones)
    return StepValues(engine, judge, Sampling(4, 8, 0.7), samples=3, positions=positions)


def split(*groups: Group) -> list[Group]:
    return StepSplitter(Digits(), ";")(groups, seed=0).groups  # type: ignore[arg-type]


def test_values_of_steps_by_hand() -> None:
    """Continuations 0, 1 and 2 of the prefixes "", "1;" and "11;1;"."""
    engine = Counting()
    (group,) = vine(engine)(split(group_of("1;2", "11;1;1", "3")), seed=7).groups
    empty = (0 + 1 + 0) / 3
    assert group.step_values == (
        (empty, pytest.approx((1 / 3 + 2 / 3 + 1 / 3) / 3)),
        (empty, pytest.approx((2 / 4 + 3 / 4 + 2 / 4) / 3), pytest.approx((3 / 6 + 4 / 6 + 3 / 6) / 3)),
        (empty,),
    )
    ((begun, sampling, _),) = engine.calls
    prompt = group.prompt.token_ids
    assert begun == [prompt, (*prompt, 1, 10), (*prompt, 1, 1, 10), (*prompt, 1, 1, 10, 1, 10)], "the prompt once"
    assert sampling == Sampling(3, 8, 0.7)


def test_prefix_and_continuation_together_keep_the_limit() -> None:
    engine = Counting(length=99)
    (group,) = vine(engine, penalty=OverlongPenalty(8, 4, 0.5))(split(group_of("22;22;1")), seed=0).groups
    assert group.step_values is not None
    # Eight digits from the prompt, five behind "22;", two behind "22;22;": each at the limit, which costs 0.5.
    assert group.step_values[0] == pytest.approx([1 / 3 - 0.5, 5 / 8 / 3 - 0.5, 2 / 8 / 3 - 0.5])


@pytest.mark.parametrize(("positions", "limits"), [(None, [8]), (16, [8]), (14, [8, 2]), (10, [8, 5, 2])])
def test_states_are_rolled_out_together_as_far_as_the_models_positions_reach(
    positions: int | None, limits: list[int]
) -> None:
    """The prompt has two tokens; the states begin behind 0, 3 and 6 tokens."""
    engine = Counting()
    vine(engine, positions)(split(group_of("22;22;1")), seed=0)
    used = [sampling.max_response_length for _, sampling, _ in engine.calls]
    assert len({seed for _, _, seed in engine.calls}) == len(engine.calls)
    assert positions is None or all(
        max(map(len, begun)) + sampling.max_response_length <= positions for begun, sampling, _ in engine.calls
    )
    assert used == limits


def test_what_cannot_be_graded_is_no_zero() -> None:
    prepared = vine(Counting())(split(group_of("9;2"), group_of("1", index=1)), seed=0)
    (kept,) = prepared.groups
    assert kept.prompt.problem.problem_id == "p1", "nothing behind '9;' can be graded"
    assert kept.step_values == ((pytest.approx(1 / 3),),)
    assert prepared.unscored == [Unscored("p0", f"9;{digit}", "nine") for digit in range(3)]


def test_the_greedy_answer_is_rewarded_like_the_others() -> None:
    engine, penalty = Counting(length=8), OverlongPenalty(8, 4, 0.25)
    groups = [group_of("1", "2"), group_of("3", index=1)]
    judge = make_judge(Digits(), penalty, ones=share_of_ones)
    kept = GreedyAnswers(engine, judge, Sampling(4, 8, 0.7))(groups, seed=3).groups
    assert [group.greedy_reward for group in kept] == [-0.25, -0.25], "it wrote zeros, up to the limit"
    assert engine.calls[0][1] == Sampling(1, 8, 0.0)
    assert [group.responses for group in kept] == [group.responses for group in groups]


def test_the_tensors_of_groups_by_hand() -> None:
    first = replace(
        make_group(0, [1.0, 0.0], lengths=[3, 1]), step_ids=((0, 0, 1), (0,)), greedy_reward=0.5,
        step_values=((0.2, 0.4), (0.2,)),
    )  # fmt: skip
    second = replace(make_group(1, [1.0], lengths=[2]), step_ids=((0, 0),), greedy_reward=-0.25, step_values=((0.7,),))
    policy = load_policy("builtin:chain", "cpu")
    batch = make_scorer(policy.model, frozenset(GROUP_TENSORS)).score([first, second], 0).batch
    assert batch.token_ids is not None
    assert batch.token_ids.tolist() == [[3, 4, 5], [4, 0, 0], [3, 4, 0]]
    assert batch.step_ids is not None
    assert batch.step_ids.tolist() == [[0, 0, 1], [0, -1, -1], [0, 0, -1]]
    assert batch.greedy_rewards is not None
    assert batch.greedy_rewards.tolist() == [0.5, 0.5, -0.25]
    assert batch.step_values is not None
    torch.testing.assert_close(batch.step_values, torch.tensor([[0.2, 0.4], [0.2, 0.0], [0.7, 0.0]]))
    assert batch.step_mask is not None
    assert batch.step_mask.tolist() == [[True, True], [True, False], [True, False]]


CAN_BE_MADE = BUILDERS.keys() | GROUP_TENSORS.keys()
MAKEABLE = sorted(name for name, method in METHODS.items() if method.needs <= CAN_BE_MADE)


def test_the_methods_that_wait_for_a_judge_are_the_only_ones_that_cannot_be_served() -> None:
    assert {need for method in METHODS.values() for need in method.needs - CAN_BE_MADE} == {"step_rewards"}


def lab(method: str) -> Config:
    return load_config(None, [f"credit.type={method}", "rollout.max_response_length=40", "vine.samples=2"])


@pytest.mark.parametrize("name", MAKEABLE)
def test_a_batch_of_the_lab_task_serves_every_method_whose_needs_can_be_made(name: str) -> None:
    method = METHODS[name]()
    config, policy = lab(name), load_policy("builtin:chain", "cpu")
    data = load_chain(0, 4, 0, 3, 4)
    prompts = encode_prompts(policy.tokenizer, data.train, 32, data.report)
    learner = make_learner(policy.model, config, teacher=KnownLessons)
    assert method.needs <= learner.needs
    with torch.no_grad():  # away from the reference, where the process terms are 0
        policy.model.lm_head.weight.mul_(1.1)
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, 64)
    judge = make_judge(policy.tokenizer)
    groups = sample_groups(engine, judge, prompts, Sampling(3, 40, 1.0), seed=1)
    for preparation in build_preparations(method.needs, config, policy, engine, judge):
        groups = preparation(groups, 5).groups
    batch = Scorer(learner.needs, tuple(learner.sources)).score(groups, policy.pad_token_id).batch
    advantages = method(batch)
    assert advantages.isfinite().all()
    assert advantages.abs().sum() > 0
    assert not advantages[~batch.response_mask].any()
    if batch.step_values is not None:
        totals = [values[0] for values in batch.step_values]
        assert batch.step_mask is not None
        assert batch.step_mask[:, 0].all()
        first, *others = totals[:3]
        assert all(value == first for value in others), "the members of a group begin in the same state"
    if batch.step_ids is not None:
        assert batch.step_ids.max() >= 3, "the separator of the lab task cuts its lines"
        assert ((batch.step_ids >= 0) == batch.response_mask).all()
