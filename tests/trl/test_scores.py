"""Rewards that are missing, wrong or raise; and the verifiers on rows of Eurus-2-RL-Data."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import GROUP, WIDTH, by_letters, moved, recorded, scored_once, spro_trainer, tokenizer

from spro.credit import GRPO, SPRO, TokenBatch
from spro.errors import ConfigError, DataError
from spro.plugins.rewards import verified_reward
from spro.plugins.trl.limits import LOSS_TYPES
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


@pytest.mark.parametrize("settings", [{}, {"entropy_coef": 0.001}, {"beta": 0.04}], ids=str)
def test_a_step_in_which_nothing_was_scored_changes_nothing(settings: dict[str, float], tmp_path: Path) -> None:
    """Neither the bonus nor the penalty of TRL pulls at what nobody could grade."""
    trainer = spro_trainer(tmp_path, reward=lambda completions, **_: [None] * len(completions), max_steps=1, **settings)
    # At the reference itself the penalty has no slope.
    moved(trainer.model)
    before = [weight.clone() for weight in trainer.model.parameters()]
    trainer.train()
    assert all(torch.equal(old, new) for old, new in zip(before, trainer.model.parameters(), strict=True))
    assert trainer.state.log_history[0]["verify/unscored_fraction"] == 1


def all_but_one(completions: list[str], **_: Any) -> list[float | None]:
    return [None if place == 1 else float(place % 3) for place in range(len(completions))]


def slope(trainer: Any, batch: dict[str, Any]) -> torch.Tensor:
    """Of TRL's loss by every weight."""
    grads = torch.autograd.grad(trainer._compute_loss(trainer.model, batch), list(trainer.model.parameters()))
    return torch.cat([grad.flatten() for grad in grads])


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_the_loss_is_that_without_the_response_but_for_the_count_of_rows(loss_type: str, tmp_path: Path) -> None:
    """Of the losses that are means over tokens exactly; a mean over responses still counts it, as documented."""
    trainer = spro_trainer(tmp_path, reward=all_but_one, loss_type=loss_type, beta=0.04)
    moved(trainer.model)
    batch = scored_once(trainer)
    scored = [place for place in range(2 * GROUP) if place != 1]
    left = {name: value[scored] if value.dim() else value for name, value in tensors_of(batch).items()}
    left["num_items_in_batch"] = left["completion_mask"].sum()
    del left["tool_mask"]
    share = len(scored) / (2 * GROUP) if loss_type in ("grpo", "sapo", "dr_grpo", "luspo") else 1
    wanted = share * slope(trainer, left)
    assert wanted.abs().max() > 1e-3
    torch.testing.assert_close(slope(trainer, batch), wanted, rtol=1e-4, atol=1e-6)


def test_the_bonus_is_the_mean_over_the_tokens_that_were_scored(tmp_path: Path) -> None:
    trainer = spro_trainer(tmp_path, reward=all_but_one, entropy_coef=0.5)
    batch = scored_once(trainer)
    batch["advantages"] = torch.zeros_like(batch["advantages"])
    scored = [place for place in range(2 * GROUP) if place != 1]
    left = {name: value[scored] if value.dim() else value for name, value in tensors_of(batch).items()}
    torch.testing.assert_close(slope(trainer, batch), slope(trainer, left), rtol=1e-4, atol=1e-6)


def tensors_of(batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Without what the tests recorded beside it."""
    return {name: value for name, value in batch.items() if name not in ("policy", "rewards")}


def test_where_all_was_scored_the_batch_stays_that_of_trl(tmp_path: Path) -> None:
    batch = tensors_of(scored_once(spro_trainer(tmp_path)))
    assert "tool_mask" not in batch
    assert int(batch["num_items_in_batch"]) == int(batch["completion_mask"].sum())


def test_a_tool_keeps_its_mask_beside_a_response_without_a_reward(tmp_path: Path) -> None:
    wrote = [[1, 1, 0, 0, 1, 1], [1] * WIDTH] * GROUP

    def rollout(prompts: list[str], trainer: Any) -> dict[str, Any]:
        return {
            "prompt_ids": trainer.processing_class(prompts)["input_ids"],
            "completion_ids": [[2, 3, 4, 5, 6, 7]] * len(prompts),
            "logprobs": [[0.0] * WIDTH] * len(prompts),
            "env_mask": wrote,
        }

    batch = scored_once(spro_trainer(tmp_path, reward=all_but_one, given={"rollout_func": rollout}))
    wanted = [[0] * WIDTH if place == 1 else row for place, row in enumerate(wrote)]
    assert batch["tool_mask"].tolist() == wanted
    assert int(batch["num_items_in_batch"]) == sum(map(sum, wanted))


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


TRUTHS = [(3, 1.0), (3.0, 1.0), ("3", 1.0), (None, None), ("nan", None), ("null", None), (" ", None)]
"""What a data set may hold as a ground truth, and the score of an answer of 3; hosts read them as spro does."""


@pytest.mark.parametrize(("truth", "score"), [*TRUTHS, (float("nan"), None), (4, 0.0)], ids=repr)
def test_a_ground_truth_is_read_as_spro_reads_it(truth: object, score: float | None) -> None:
    given = {"completions": [r"\boxed{3}"], "reward_model": [{"ground_truth": truth}], "ability": ["math"]}
    assert verified_reward(**given) == [score]


def test_a_row_without_a_ground_truth_is_not_scored() -> None:
    given = [{}, {"ground_truth": "2"}]
    assert verified_reward(completions=[ANSWERS["a"]] * 2, reward_model=given, ability=["math"] * 2) == [None, 1.0]


@pytest.mark.parametrize(("truth", "kind"), [(["3"], "list"), ({"answer": "3"}, "dict"), (True, "bool")], ids=str)
def test_a_ground_truth_that_is_no_text_is_refused_by_its_type(truth: object, kind: str) -> None:
    given = {"completions": [r"\boxed{3}"], "reward_model": [{"ground_truth": truth}], "ability": ["math"]}
    with pytest.raises(DataError, match=rf"^the ground_truth of row 0 is a {kind}: give text or a number$"):
        verified_reward(**given)


def test_a_truth_that_cannot_be_read_is_not_scored() -> None:
    given = {"completions": [ANSWERS["c"]], "reward_model": [{"ground_truth": "{"}], "ability": ["code"]}
    assert verified_reward(**given) == [None]


def test_another_ability_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="ability is 'poetry', and there are verifiers for math, code"):
        verified_reward(completions=["x"], reward_model=[{"ground_truth": "2"}], ability=["poetry"])


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="there are 2 completions, 1 reward_model and 2 ability"):
        verified_reward(completions=["x"] * 2, reward_model=[{"ground_truth": "2"}], ability=["math"] * 2)
