"""Rewards that are missing, wrong or raise; and the verifiers on rows of Eurus-2-RL-Data."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import GROUP, WIDTH, by_letters, recorded, scored_once, spro_trainer, tokenizer

from spro.credit import GRPO, SPRO, TokenBatch
from spro.errors import ConfigError, DataError
from spro.plugins.rewards import verified_reward
from spro.verify import choose_sandbox
from spro.verify.rewards import math_reward


def test_a_reward_that_raises_ends_the_run_with_its_message(tmp_path: Path) -> None:
    def broken(**_: Any) -> list[float]:
        raise RuntimeError("the grader is down")

    with pytest.raises(RuntimeError, match=r"^the grader is down$"):
        spro_trainer(tmp_path, reward=broken).train()


def test_an_infinite_reward_is_refused_by_the_name_of_its_function(tmp_path: Path) -> None:
    def endless(completions: list[str], **_: Any) -> list[float]:
        return [float("inf")] + [0.0] * (len(completions) - 1)

    with pytest.raises(ConfigError, match="the reward function 'endless' gave an infinite reward"):
        spro_trainer(tmp_path, reward=[by_letters, endless]).train()


@pytest.mark.parametrize("credit", [GRPO(), SPRO()], ids=["grpo", "spro"])
def test_a_response_without_a_reward_leaves_its_group_and_learns_nothing(credit: Any, tmp_path: Path) -> None:
    def reward(completions: list[str], **_: Any) -> list[float | None]:
        return [None if place == 1 else float(place % 3) for place in range(len(completions))]

    trainer = spro_trainer(tmp_path, reward=reward, given={"credit": credit})
    batch = scored_once(trainer)
    scored = torch.tensor([place for place in range(2 * GROUP) if place != 1])
    ours = GRPO()(
        TokenBatch(
            response_mask=batch["completion_mask"].bool()[scored],
            group_ids=scored // GROUP,
            outcome_rewards=(scored % 3).float(),
        )
    )
    assert (batch["advantages"][1] == 0).all()
    torch.testing.assert_close(batch["advantages"][scored], ours)
    assert trainer._metrics["train"]["verify/unscored_fraction"] == [1 / 8]


def test_a_step_in_which_nothing_was_scored_changes_nothing(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, reward=lambda completions, **_: [None] * len(completions), max_steps=1)
    before = [weight.clone() for weight in trainer.model.parameters()]
    trainer.train()
    assert all(torch.equal(old, new) for old, new in zip(before, trainer.model.parameters(), strict=True))
    assert trainer.state.log_history[0]["verify/unscored_fraction"] == 1


ANSWERS = {"a": r"\boxed{2}", "b": r"\boxed{3}", "c": "```python\nprint(input())\n```", "d": "I do not know"}
TESTS = json.dumps({"inputs": ["7\n", "8\n"], "outputs": ["7\n", "8\n"]})


def rows() -> list[dict[str, Any]]:
    """The columns of Eurus-2-RL-Data, as verl has them."""
    golds = ["2", "3", "2", "3"]
    return [
        {
            "data_source": "numina_olympiads",
            "prompt": [{"role": "system", "content": "ab"}, {"role": "user", "content": "cd"}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": gold},
            "extra_info": {"split": "train", "index": index},
        }
        for index, gold in enumerate(golds)
    ]


def writing(letters: str) -> Any:
    """A rollout of answers, one letter a token; the text is what the letter stands for."""

    def rollout(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        chosen = [letters[place % len(letters)] for place in range(len(prompts))]
        vocabulary = trainer.processing_class.get_vocab()
        texts = [trainer.processing_class.apply_chat_template(prompt, tokenize=False) for prompt in prompts]
        return {
            "prompt_ids": trainer.processing_class(texts)["input_ids"],
            "completion_ids": [[vocabulary[letter], vocabulary["<eos>"]] for letter in chosen],
            "logprobs": [[0.0, 0.0]] * len(prompts),
            "written": [ANSWERS[letter] for letter in chosen],
        }

    return rollout


def read(reward: Any) -> Any:
    """``reward`` on what was written."""

    def judge(completions: list[Any], written: list[str], **columns: Any) -> list[float | None]:
        assert isinstance(completions[0], list), "a chat was meant to be answered by a chat"
        return reward(completions=[[{"role": "assistant", "content": text}] for text in written], **columns)

    return judge


def test_rows_of_eurus_train_with_the_verifiers(tmp_path: Path) -> None:
    given = {"rollout_func": writing("abbd"), "credit": GRPO()}
    trainer = spro_trainer(
        tmp_path, reward=read(verified_reward), rows=rows(), given=given, shuffle_dataset=False, max_steps=2
    )
    batches = recorded(trainer)
    trainer.train()
    assert batches[0]["rewards"].flatten().tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    assert trainer.state.log_history[0]["reward"] == pytest.approx(3 / 8)
    assert batches[0]["advantages"][0, 0] > 1
    assert batches[0]["advantages"][4, 0] < -0.5


def test_math_reward_trains_where_the_answer_is_a_column(tmp_path: Path) -> None:
    flat = [row | {"ground_truth": row["reward_model"]["ground_truth"]} for row in rows()]
    given = {"rollout_func": writing("abbd")}
    trainer = spro_trainer(
        tmp_path, reward=read(math_reward), rows=flat, given=given, shuffle_dataset=False, max_steps=1
    )
    batches = recorded(trainer)
    trainer.train()
    assert batches[0]["rewards"].flatten().tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]


def test_a_chat_is_asked_and_answered_in_trls_own_form(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, reward=verified_reward, rows=rows(), max_steps=1)
    trainer.train()
    assert trainer.state.log_history[0]["reward"] == 0
    assert len(tokenizer().apply_chat_template(rows()[0]["prompt"], tokenize=False)) <= WIDTH


def test_programs_are_run_where_the_ability_is_code() -> None:
    choose_sandbox()
    completions = [ANSWERS["c"], ANSWERS["c"], ANSWERS["a"], "```python\nprint(7)\n```"]
    assert verified_reward(
        completions=completions,
        reward_model=[{"ground_truth": TESTS}, {"ground_truth": "2"}, {"ground_truth": 2.0}, {"ground_truth": TESTS}],
        ability=["code", "math", "math", "code"],
        data_source=["x"] * 4,
    ) == [1.0, 0.0, 1.0, 0.5]


@pytest.mark.parametrize("missing", [{}, {"ground_truth": None}, {"ground_truth": float("nan")}, {"ground_truth": " "}])
def test_a_row_without_a_ground_truth_is_not_scored(missing: dict[str, Any]) -> None:
    given = [missing, {"ground_truth": "2"}]
    assert verified_reward(completions=[ANSWERS["a"]] * 2, reward_model=given, ability=["math"] * 2) == [None, 1.0]


def test_a_truth_that_cannot_be_read_is_not_scored() -> None:
    given = {"completions": [ANSWERS["c"]], "reward_model": [{"ground_truth": "{"}], "ability": ["code"]}
    assert verified_reward(**given) == [None]


def test_another_ability_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="ability is 'poetry', and there are verifiers for math, code"):
        verified_reward(completions=["x"], reward_model=[{"ground_truth": "2"}], ability=["poetry"])


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="there are 2 completions, 1 reward_model and 2 ability"):
        verified_reward(completions=["x"] * 2, reward_model=[{"ground_truth": "2"}], ability=["math"] * 2)
