"""Rewards of form and length: by hand, put together, and with TRL's two forms of completions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spro.verify.rewards import (
    CosineLength,
    NGramRepetition,
    Product,
    ShorterInGroup,
    TagFormat,
    WeightedSum,
    boxed_format,
    code_format,
    code_reward,
    math_reward,
    think_format,
)


def as_chat(texts):
    return [[{"role": "assistant", "content": text}] for text in texts]


FORMS = [
    (boxed_format, [r"so \boxed{2}", r"\boxed{2", "2", r"\boxed{}"], [1, 0, 0, 0]),
    (code_format, ["```python\nprint(1)\n```", "print(1)", ""], [1, 0, 0]),
    (
        think_format,
        ["<think>a</think>b", " <think>\n</think>\nb", "x<think>a</think>b", "<think>a</think> ", "<think>a",
         "<think>a</think>b</think>c", "</think><think>b", ""],
        [1, 1, 0, 0, 0, 0, 0, 0],
    ),
    (
        TagFormat(),
        ["<think>a</think><answer>b</answer>", "<answer>b</answer><think>a</think>", "<think>a</think>",
         "<think> </think><answer>b</answer>", "<think>a</think><answer>b</answer><answer>c</answer>", ""],
        [1, 0.5, 0.5, 0.5, 0.5, 0],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("function", "texts", "rewards"), FORMS, ids=lambda value: getattr(value, "__name__", None))
def test_forms(function, texts, rewards):
    assert function(prompts=["?"] * len(texts), completions=texts, completion_ids=[]) == rewards
    assert function(completions=as_chat(texts)) == rewards


@given(st.text(alphabet="<>/thinkaswer\\boxed{}` \n", max_size=60))
def test_forms_lie_between_zero_and_one_whatever_is_written(text):
    for function, _, _ in FORMS:
        (reward,) = function(completions=[text])
        assert 0 <= reward <= 1


def cosine(lengths, scores, **settings):
    return CosineLength(100, **settings)(
        completions=[""] * len(lengths), completion_ids=[[0] * length for length in lengths], score=scores
    )


def test_cosine_by_hand():
    assert cosine([0, 50, 100, 200], [1.0] * 4) == pytest.approx([1.0, 0.75, 0.5, 0.5])
    assert cosine([0, 50, 100, 200], [0.0] * 4) == pytest.approx([-1.0, -0.75, -0.5, -0.5])
    # The paper's own values.
    papers = {"correct_start": 2.0, "correct_end": 1.0, "wrong_start": -10.0, "wrong_end": 0.0}
    assert cosine([25, 25, 5], [1.0, 0.0, None], **papers) == [
        pytest.approx(1.5 + 0.5 * math.cos(math.pi / 4)),
        pytest.approx(-5 - 5 * math.cos(math.pi / 4)),
        None,
    ]


def test_shorter_in_its_group_by_hand():
    ids = [[0] * length for length in (10, 20, 30, 30, 5, 7, 7)]
    rewards = ShorterInGroup()(
        completions=[""] * 7,
        completion_ids=ids,
        problem_id=["a", "a", "a", "a", "b", "c", "c"],
        score=[1.0, 1.0, 1.0, 0.0, 1.0, None, 1.0],
    )
    assert rewards == [0.5, 0.0, -0.5, -0.5, 0.0, None, 0.0]
    wrong = ShorterInGroup()(completions=["", ""], completion_ids=[[0], [0, 0]], problem_id=["a"] * 2, score=[0.0] * 2)
    assert wrong == [0.0, -0.5], "a wrong answer is not praised for being short"


def test_repetition_by_hand():
    loop = [1, 2] * 10
    rewards = NGramRepetition(2)(completions=[""] * 3, completion_ids=[loop, [1, 2, 3, 4], [1]])
    assert rewards == [pytest.approx(-(1 - 2 / 19)), 0.0, 0.0]


def nothing(completions, **columns):
    return [None for _ in completions]


def test_sums_and_products():
    texts = [r"<think>a</think>\boxed{1}", r"\boxed{1}", ""]
    both = WeightedSum([(0.5, boxed_format), (-0.25, think_format)])
    assert both(completions=texts) == [0.25, 0.5, 0.0]
    gated = Product([boxed_format, WeightedSum([(2.0, think_format), (1.0, boxed_format)])])
    assert gated(completions=texts) == [3.0, 1.0, 0.0]
    assert WeightedSum([(1.0, nothing), (1.0, boxed_format)])(completions=texts) == [1.0, 1.0, 0.0]
    assert WeightedSum([(1.0, nothing)])(completions=texts) == [None] * 3
    assert Product([nothing, boxed_format])(completions=texts) == [None] * 3


def test_the_verifiers_as_reward_functions():
    texts = [r"\boxed{2/4}", r"\boxed{3}", "none"]
    assert math_reward(prompts=["?"] * 3, completions=as_chat(texts), ground_truth=["0.5"] * 3) == [1.0, 0.0, 0.0]
    assert math_reward(completions=texts[:1], ground_truth=[""]) == [None], "nothing can be graded"
    tests = '{"inputs": ["1", "2"], "outputs": ["1", "3"]}'
    assert code_reward(completions=["```python\nprint(input())\n```", "no"], ground_truth=[tests] * 2) == [0.5, 0.0]
