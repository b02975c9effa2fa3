"""What verl is told, and what is refused because it cannot be told; that verl understands it: tests/verl."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from spro.config import CodeConfig, VerifyConfig
from spro.credit import METHODS
from spro.errors import ConfigError
from spro.loss import SURROGATES
from spro.plugins.launch import Translation, command, translate, translation
from spro.plugins.launch.literal import literal
from spro.plugins.verl_names import missing_in_verl
from spro.settings import load_config
from spro.train import run_folder, setup
from spro.verify import Limits

RUN_DIR = Path("/runs/one")
BASE = ("task.type=eurus", "task.path=rows.parquet", "model.path=owner/model")
ACTOR = "actor_rollout_ref.actor"


def translated(*words: str) -> Translation:
    return translate(load_config(None, [*BASE, *words]), RUN_DIR)


def overrides(*words: str) -> dict[str, object]:
    return dict(translated(*words).overrides)


def test_batches_and_steps_keep_their_size() -> None:
    found = overrides("train.prompts_per_step=96", "train.mini_batches=3", "train.update_epochs=2", "train.steps=7")
    assert found["data.train_batch_size"] == 96
    assert found[f"{ACTOR}.ppo_mini_batch_size"] == 32
    assert found[f"{ACTOR}.ppo_epochs"] == 2
    assert found["trainer.total_training_steps"] == 7


def test_a_reference_and_a_critic_are_in_the_precision_of_the_policy() -> None:
    found = overrides("model.dtype=float32", "credit.type=ppo")
    for section in ("actor_rollout_ref.actor.fsdp_config", "actor_rollout_ref.ref.fsdp_config", "critic.fsdp"):
        assert found[f"+{section}.mixed_precision.param_dtype"] == "fp32"
    assert found["actor_rollout_ref.rollout.dtype"] == "float32"


@pytest.mark.parametrize("name", SURROGATES)
def test_a_surrogate_takes_all_its_settings_along(name: str) -> None:
    found = overrides(f"loss.type={name}", "loss.clip_ratio_high=0.31")
    expected = vars(SURROGATES[name](clip_ratio_high=0.31))  # type: ignore[call-arg]
    assert {key: found[f"{ACTOR}.{key}"] for key in expected} == expected
    assert found[f"{ACTOR}.policy_loss.loss_mode"] == f"spro_{name}"


def test_the_constant_of_dr_grpo_is_the_length_limit() -> None:
    found = overrides("loss.loss_reduction=seq-mean-token-sum-norm", "rollout.max_response_length=777")
    assert found[f"{ACTOR}.loss_scale_factor"] == 777
    assert f"{ACTOR}.loss_scale_factor" not in overrides()


def test_only_what_is_set_of_a_method_is_told_and_checked_as_here() -> None:
    assert not any(key.startswith("+algorithm.spro.") for key in overrides())
    assert overrides("credit.beta=0.02")["+algorithm.spro.beta"] == 0.02
    with pytest.raises(ConfigError, match=r"^unknown key 'credit.betta' for the method 'spro'; did you mean 'beta'\?$"):
        overrides("credit.betta=0.02")


def test_a_method_is_taken_exactly_if_verl_has_its_tensors() -> None:
    tensors = {"old_log_probs", "ref_log_probs", "values", "token_ids"}
    taken = set()
    for name in METHODS:
        try:
            overrides(f"credit.type={name}")
            taken.add(name)
        except ConfigError as error:
            needs = ", ".join(sorted(METHODS[name].needs - tensors))
            assert str(error).startswith(f"credit.type is {name!r}, which needs {needs}, and verl computes no such")  # noqa: PT017
    assert taken == {name for name, method in METHODS.items() if method.needs <= tensors}
    assert {"spro", "grpo", "ppo"} <= taken
    assert not {"prime", "vineppo"} & taken
    assert missing_in_verl({"values", "step_ids", "prm_log_probs"}) == {"step_ids", "prm_log_probs"}


@pytest.mark.parametrize(
    ("name", "owners"),
    [
        ("CREDIT_TYPES", (setup, translation)),
        ("LOSS_TYPES", (setup, translation)),
        ("next_run_dir", (run_folder, command)),
    ],
)
def test_what_is_checked_and_named_as_in_spro_train_stands_once(name: str, owners: tuple[ModuleType, ...]) -> None:
    first, second = (vars(owner)[name] for owner in owners)
    assert first is second


def test_the_longest_sequence_may_fill_a_forward() -> None:
    assert overrides("train.micro_batch_tokens=4096")[f"{ACTOR}.ppo_max_token_len_per_gpu"] == 4096


def test_a_head_start_ends_where_it_ends_here() -> None:
    """verl's policy learns in step s if critic_warmup <= s."""
    assert overrides("credit.type=ppo")["trainer.critic_warmup"] == 0
    assert overrides("credit.type=ppo", "critic.head_start=3")["trainer.critic_warmup"] == 4


def test_warm_up_is_counted_in_training_steps() -> None:
    words = ("train.mini_batches=4", "train.update_epochs=2", "optimizer.warmup_steps=24")
    assert overrides(*words)[f"{ACTOR}.optim.lr_warmup_steps"] == 3
    with pytest.raises(ConfigError, match=r"^optimizer.warmup_steps is 25, .* take a multiple of 8$"):
        overrides(*words[:2], "optimizer.warmup_steps=25")


def test_without_held_out_problems_nothing_is_evaluated() -> None:
    found = overrides()
    assert found["data.val_files"] == found["data.train_files"] == RUN_DIR / "verl/train.parquet"
    assert (found["trainer.test_freq"], found["trainer.val_before_train"]) == (-1, False)
    found = overrides("task.held_out_problems=8", "evaluate.every=5")
    assert found["data.val_files"] == RUN_DIR / "verl/held_out.parquet"
    assert (found["trainer.test_freq"], found["trainer.val_before_train"]) == (5, True)
    found = overrides("task.held_out_path=x.parquet", "evaluate.every=0")
    assert found["data.val_files"] == RUN_DIR / "verl/held_out.parquet"
    assert (found["trainer.test_freq"], found["trainer.val_before_train"]) == (-1, False)


def test_a_launch_again_leaves_the_log_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "verl").mkdir()
    for name in ("metrics.jsonl", "metrics-2.jsonl", "metrics-3.jsonl"):
        found = translate(load_config(None, BASE), tmp_path).overrides
        assert found["+ray_kwargs.ray_init.runtime_env.env_vars.VERL_FILE_LOGGER_PATH"] == tmp_path / "verl" / name
        (tmp_path / "verl" / name).touch()


def test_dynamic_sampling_judges_by_the_score() -> None:
    found = overrides("filter.type=dynamic", "reward.overlong_buffer=64", "reward.overlong_penalty=0.5")
    assert found["algorithm.filter_groups.enable"] is True
    assert found["algorithm.filter_groups.metric"] == "acc"
    assert found["reward.reward_manager.name"] == "dapo"


def test_the_window_goes_with_a_price_of_length() -> None:
    """It judges by the score, which the reward manager hands on beside the reward."""
    length = ("reward.overlong_buffer=64", "reward.overlong_penalty=0.5")
    found = overrides(*length, "filter.accuracy_low=0.3")
    assert found.items() >= overrides("filter.accuracy_low=0.3").items()
    assert found["+algorithm.spro_filter.accuracy_low"] == 0.3
    assert found["reward.reward_manager.name"] == "dapo"
    assert found["+reward.reward_kwargs.overlong_buffer_cfg.len"] == 64


def test_a_factor_is_told_if_it_makes_a_whole_number_of_prompts() -> None:
    found = overrides("train.prompts_per_step=100", "filter.oversample_factor=1.1")
    assert found["+algorithm.spro_filter.oversample_factor"] == 1.1


def test_a_model_folder_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner/model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert overrides()["actor_rollout_ref.model.path"] == str(tmp_path / "owner/model")
    assert overrides("model.path=owner/hub")["actor_rollout_ref.model.path"] == "owner/hub"


def test_what_verl_does_in_another_way_is_told() -> None:
    assert translated("rollout.engine=vllm", "loss.entropy_coef=0").differs == ()
    words = ("credit.type=ppo", "critic.head_start=2", "train.mini_batches=2", "optimizer.warmup_steps=2")
    told = [line.partition(":")[0] for line in translated(*words, "task.held_out_problems=9").differs]
    assert told == [
        "rollout.engine=local",
        "loss.entropy_coef=0.001",
        "train.mini_batches=2",
        "optimizer.decay=cosine",
        "optimizer.warmup_steps=2",
        "critic",
        "critic.head_start=2",
        "evaluate",
    ]
    assert not any("entropy" in line for line in translated("loss.loss_reduction=token-mean").differs)


REFUSALS = {
    "train.mini_batches is 3, and verl cuts into equal ones: take a divisor of train.prompts_per_step, 256": (
        "train.mini_batches=3",
    ),
    "critic.mini_batches is 7, and verl cuts": ("credit.type=ppo", "critic.mini_batches=7"),
    "train.micro_batch_tokens is 4095, and verl takes no sequence that is longer: set it to 4096 or more": (
        "train.micro_batch_tokens=4095",
    ),
    "model.lora.alpha is 0.5, and verl's is a whole number": ("model.lora={}", "model.lora.alpha=0.5"),
    "model.lora is set, and credit.type 'ppo' has a critic": ("model.lora={}", "credit.type=ppo"),
    "model.path is 'builtin:chain', which only spro knows": ("model.path=builtin:chain",),
    "seed is 4294967296, and vLLM takes none above 4294967295": ("seed=4294967296",),
    "filter.oversample_factor is 1.3: of 256 prompts a step it must make a whole number": (
        "filter.oversample_factor=1.3",
    ),
    "loss: clip_ratio_low is 2.0; it must lie": ("loss.clip_ratio_low=2",),
    "credit.type is 'pure_return_baseline', which needs step_ids": ("credit.type=pure_return_baseline",),
    "actor_rollout_ref.model.path would be 'a/${b}', in which verl looks up": ("model.path=a/${b}",),
    "credit.type is 'spor'; did you mean 'spro'?": ("credit.type=spor",),
}


@pytest.mark.parametrize("start", REFUSALS)
def test_what_would_give_other_numbers_is_refused_in_one_line(start: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(start)}") as caught:
        overrides(*REFUSALS[start])
    assert "\n" not in str(caught.value)


def test_the_default_limits_of_programs_are_those_of_the_reward_function() -> None:
    """Settings of them are refused, so the defaults of config and function must be one."""
    code, limits = CodeConfig(), Limits()
    assert VerifyConfig().code == code
    assert (code.test_cpu_s, code.response_s, code.memory_mib * 2**20) == (
        limits.cpu_s,
        limits.total_s,
        limits.memory_bytes,
    )


def test_text_is_quoted_where_hydra_would_read_something_else() -> None:
    assert literal("owner/model-7B_v1.0") == "owner/model-7B_v1.0"
    assert [literal(text) for text in ("true", "Null", "12", "", "a b", 'say "x"', "a\\")] == [
        '"true"', '"Null"', '"12"', '""', '"a b"', '"say \\"x\\""', '"a\\\\"',
    ]  # fmt: skip
    assert literal(["q_proj", "a,b"]) == '[q_proj,"a,b"]'
    assert [literal(value) for value in (True, None, 3, 1e-6)] == ["True", "null", "3", "1e-06"]
