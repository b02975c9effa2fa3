"""Every function of ``trl.rewards`` as a verifier or reward of ours, and ours against theirs."""

import math
import random

import pytest
import trl.rewards

from spro.verify import Answer, FunctionSource, FunctionVerifier, RewardFunction, Status
from spro.verify.rewards import CosineLength, think_format

PROMPT = ({"role": "user", "content": "1+1?"},)


def answers(*texts: str, gold: str = "2", **columns: object) -> list[Answer]:
    return [Answer("function", text, gold, PROMPT, tuple(range(len(text))), columns) for text in texts]


SETTINGS: dict[str, tuple[dict[str, object] | None, list[float | None]]] = {
    "accuracy_reward": (None, [1.0, 0.0, 0.0]),
    "reasoning_accuracy_reward": (None, [0.0, 0.0, 0.0]),  # 0 without a closing </think>, or a box behind it
    "think_format_reward": (None, [0.0, 0.0, 1.0]),
    "get_soft_overlong_punishment": ({"max_completion_len": 20, "soft_punish_cache": 10}, [0.0, 0.0, -1.0]),
    "get_repetition_penalty_reward": ({"ngram_size": 1}, [0.0, 0.0, 0.0]),
    "get_cosine_scaled_reward": ({"max_len": 100}, [pytest.approx(1.0, abs=0.1), None, None]),
}


def test_the_table_names_every_function_of_trl() -> None:
    public = {name for name in dir(trl.rewards) if name.startswith("get_") or name.endswith("_reward")}
    assert public == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_function_of_trl_gives_its_numbers(name: str) -> None:
    settings, expected = SETTINGS[name]
    texts = (r"\boxed{2}", r"\boxed{3}", "<think>one and one</think>\nso it is 3")
    with RewardFunction(FunctionSource(f"trl.rewards.{name}", settings, {"solution": "ground_truth"})) as reward:
        reward.prepare()
        numbers = reward(answers(*texts))
    for number, wanted in zip(numbers, expected, strict=True):
        assert wanted is None or number == wanted


def test_trls_accuracy_in_the_verifiers_place() -> None:
    source = FunctionSource("trl.rewards.accuracy_reward", None, {"solution": "ground_truth"})
    verifier = FunctionVerifier(RewardFunction(source))
    with verifier:
        verifier.prepare()
        # Off the main thread its time limits would be off; in its process it is on one.
        verdicts = verifier.grade(answers(r"\boxed{2/4}", r"\boxed{0.4}", gold=r"$\frac12$"))
    assert [verdict.status for verdict in verdicts] == [Status.CORRECT, Status.WRONG]


def test_cosine_length_is_trls() -> None:
    """Theirs counts characters of the text and judges by the solution; with one token a character both agree."""
    theirs = trl.rewards.get_cosine_scaled_reward(max_len=50)
    texts = [r"\boxed{2}" + "." * n for n in range(0, 60, 7)] + [r"\boxed{3}" + "." * n for n in range(0, 60, 7)]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    ids = [list(range(len(text))) for text in texts]
    ours = CosineLength(50)(completions=chats, completion_ids=ids, score=[1.0] * 9 + [0.0] * 9)
    for mine, his, text in zip(ours, theirs(chats, solution=["2"] * 18, completion_ids=ids), texts, strict=True):
        assert math.isclose(mine or 0.0, his or 0.0, abs_tol=1e-9), text


def test_think_format_is_trls_where_both_are_clear() -> None:
    """Theirs lets an empty answer and a second closing tag pass, ours white space before; elsewhere they agree."""
    pieces = ["<think>", "</think>", "a", "\n"]
    draws = random.Random(0)
    starts = ["", "\n", "<think>"]
    texts = [draws.choice(starts) + "".join(draws.choices(pieces, k=draws.randint(1, 6))) for _ in range(500)]
    theirs = trl.rewards.think_format_reward([[{"role": "assistant", "content": text}] for text in texts])
    ours = think_format(completions=texts)
    differ = [text for text, mine, his in zip(texts, ours, theirs, strict=True) if mine != his]
    for text in differ:
        is_empty = not text.partition("</think>")[2].strip()
        assert is_empty or text.count("</think>") > 1 or text.startswith("\n"), text
    assert len(differ) < 100
    assert sum(map(bool, ours)) > 5
