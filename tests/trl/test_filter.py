"""The accuracy filter: which groups are kept, what is counted, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import GROUP, PROMPTS, by_letters, copy_of, moved, recorded, scored_once, spro_trainer, token_batch, tokenizer

from spro.credit import SPRO
from spro.errors import ConfigError, RewardError
from spro.plugins.trl import AccuracyFilter
from spro.window import AccuracyWindow

RIGHT = {"abc": 4, "bca": 2, "cab": 0, "def": 1, "efd": 4, "fde": 3, "ghi": 0, "hig": 2}
"""Of four responses to each prompt; in the window of 0.2 to 0.8 are bca, def, fde and hig."""


def told(prompts: list[str], **_: Any) -> list[float]:
    return [float(place % GROUP < RIGHT[prompt]) for place, prompt in enumerate(prompts)]


def filtered(folder: Path, wanted: AccuracyFilter | None = None, reward: Any = told, **settings: Any) -> Any:
    given = {"accuracy_filter": wanted or AccuracyFilter()}
    return spro_trainer(folder, reward=reward, given=given, **({"shuffle_dataset": False} | settings))


def prompts_of(batch: dict[str, Any]) -> list[str]:
    return [text.replace(" ", "") for text in tokenizer().batch_decode(batch["prompt_ids"])][::GROUP]


def test_the_groups_in_the_window_are_trained_on(tmp_path: Path) -> None:
    trainer = filtered(tmp_path)
    batches = recorded(trainer)
    trainer.train()
    assert [prompts_of(batch) for batch in batches[:2]] == [["bca", "def"], ["fde", "hig"]]
    assert {line["filter/in_window_fraction"] for line in trainer.state.log_history if "reward" in line} == {1.0}


def test_groups_outside_fill_what_is_left_in_their_order(tmp_path: Path) -> None:
    trainer = filtered(tmp_path, AccuracyFilter(AccuracyWindow(0.4, 0.6)))
    batch = scored_once(trainer)
    assert prompts_of(batch) == ["bca", "abc"]
    assert trainer._metrics["train"]["filter/in_window_fraction"] == [0.5]


def test_the_advantages_are_those_of_the_groups_that_were_kept(tmp_path: Path) -> None:
    trainer = filtered(tmp_path)
    initial = copy_of(trainer.model)
    moved(trainer.model)
    batch = scored_once(trainer)
    batch["rewards"] = torch.tensor([1.0, 1, 0, 0, 1, 0, 0, 0])[:, None]
    tokens = token_batch(batch, initial)
    torch.testing.assert_close(batch["advantages"], SPRO()(tokens), rtol=1e-5, atol=1e-5)
    means = SPRO()(tokens).sum(dim=1) / tokens.response_mask.sum(dim=1)
    assert list(trainer._logs["advantages"]) == pytest.approx(
        [0.0] * 4 + means[:4].tolist() + [0.0] * 4 + means[4:].tolist()
    )


def test_the_tokens_that_trl_divides_by_are_those_that_were_kept(tmp_path: Path) -> None:
    batch = scored_once(filtered(tmp_path, loss_type="dapo"))
    assert len(batch["completion_ids"]) == 2 * GROUP
    assert int(batch["num_items_in_batch"]) == int(batch["completion_mask"].sum())


def test_only_what_is_kept_is_read_by_policy_and_reference(tmp_path: Path) -> None:
    trainer = filtered(tmp_path)
    rows: list[int] = []
    trainer.reference.model.register_forward_pre_hook(
        lambda _, args, given: rows.append(len(given["input_ids"])), with_kwargs=True
    )
    scored_once(trainer)
    assert sum(rows) == 2 * GROUP


def test_metrics_and_completions_are_of_all_that_was_rolled_out(tmp_path: Path) -> None:
    trainer = filtered(tmp_path)
    scored_once(trainer)
    assert trainer._metrics["train"]["reward"] == [pytest.approx((4 + 2 + 0 + 1) / 16)]
    assert [len(trainer._logs[name]) for name in ("prompt", "completion", "advantages")] == [16, 16, 16]
    assert len(trainer._logs["rewards"]["told"]) == 16


@pytest.mark.parametrize(
    ("settings", "factor", "steps"),
    [
        ({}, 1, 4),
        ({}, 2, 2),
        ({}, 4, 1),
        ({"num_iterations": 2}, 2, 4),
        ({"steps_per_generation": 2}, 2, 2),
        ({"per_device_train_batch_size": GROUP, "gradient_accumulation_steps": 2}, 2, 2),
        ({"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}, 2, 2),
    ],
    ids=str,
)
def test_an_epoch_is_every_prompt_once_and_as_many_steps_as_documented(
    settings: dict[str, int], factor: int, steps: int, tmp_path: Path
) -> None:
    asked: list[str] = []

    def reward(prompts: list[str], **_: Any) -> list[float]:
        asked.extend(prompts[::GROUP])
        return told(prompts)

    trainer = filtered(tmp_path, AccuracyFilter(oversample_factor=factor), reward, num_train_epochs=1, **settings)
    trainer.train()
    args = trainer.args
    prompts = args.generation_batch_size // args.num_generations
    documented = (
        len(PROMPTS) // (factor * prompts) * args.steps_per_generation * args.num_iterations
    ) // args.gradient_accumulation_steps
    assert trainer.state.global_step == steps == documented
    assert sorted(asked) == sorted(PROMPTS)


def test_a_group_that_nobody_could_grade_is_outside(tmp_path: Path) -> None:
    def reward(prompts: list[str], **_: Any) -> list[float | None]:
        return [None if prompt == "bca" else score for prompt, score in zip(prompts, told(prompts), strict=True)]

    batch = scored_once(filtered(tmp_path, reward=reward))
    assert prompts_of(batch) == ["def", "abc"]


@pytest.mark.parametrize("scores", [[1.0, 1, 1, 1, 0], [0.8] * 5, [1.0, 0, 0, 0, 0], [0.2] * 5], ids=str)
def test_the_borders_of_the_window_lie_inside_it_in_float32_too(scores: list[float]) -> None:
    rows, share = AccuracyFilter().choose(torch.tensor([0.0] * 5 + scores), groups=1, group_size=5)
    assert (rows.tolist(), share) == ([5, 6, 7, 8, 9], 1.0)


def test_the_verifier_is_named_among_several_functions(tmp_path: Path) -> None:
    given = AccuracyFilter(score="told")
    trainer = filtered(tmp_path, given, [by_letters, told])
    assert prompts_of(scored_once(trainer)) == ["bca", "def"]


@pytest.mark.parametrize("score", [None, "nobody"])
def test_without_a_verifier_among_several_functions_the_filter_is_refused(score: str | None, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name the one reward function of \['by_letters', 'told'\]"):
        filtered(tmp_path, AccuracyFilter(score=score), [by_letters, told])


def test_a_score_outside_0_and_1_is_refused_where_the_mean_lies_inside_too(tmp_path: Path) -> None:
    trainer = filtered(tmp_path, reward=lambda prompts, **_: [1.0, -1.0] * (len(prompts) // 2))
    with pytest.raises(RewardError, match=r"reads scores in \[0, 1\], and got -1$"):
        trainer.train()


@pytest.mark.parametrize("factor", [0, 1.5, True])
def test_a_factor_that_is_no_count_is_refused(factor: Any) -> None:
    with pytest.raises(ConfigError, match="give a whole number of at least 1"):
        AccuracyFilter(oversample_factor=factor)


def test_data_short_of_one_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train_dataset has 8 prompts, and one step rolls out 10"):
        filtered(tmp_path, AccuracyFilter(oversample_factor=5))


def test_an_evaluation_is_not_filtered(tmp_path: Path) -> None:
    trainer = filtered(tmp_path)
    trainer.model.eval()
    batch = trainer._generate_and_score_completions([{"prompt": "abc"}] * GROUP)
    assert len(batch["completion_ids"]) == GROUP
