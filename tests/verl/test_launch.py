"""What ``spro launch verl`` says is understood by verl as it is meant."""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from launch import TIMEOUT, environment, kept, own_ray, prepare, settings
from omegaconf import DictConfig, OmegaConf, open_dict
from tiny import save_model, tokenizer
from verl import DataProto
from verl.trainer.ppo.core_algos import kl_penalty
from verl.trainer.ppo.reward import get_custom_reward_fn, load_reward_manager
from verl.trainer.ppo.rollout_corr_helper import compute_rollout_correction_and_add_to_batch
from verl.utils.config import omega_conf_to_dataclass, validate_config
from verl.utils.dataset.rl_dataset import RLHFDataset
from verl.utils.torch_functional import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup
from verl.workers.config import FSDPActorConfig

import spro.plugins.launch
from spro.credit import METHODS
from spro.loss import KL_ESTIMATORS, SURROGATES, TruncatedImportance
from spro.plugins.launch import translate, write_data
from spro.plugins.launch.command import words_of
from spro.plugins.launch.data import drawn_prompts, load_problems
from spro.plugins.verl.arrange import arrange_filter, arrange_scores
from spro.plugins.verl.estimators import ESTIMATORS
from spro.plugins.verl.losses import policy_losses
from spro.settings import load_config
from spro.train.reward import OverlongPenalty
from spro.train.schedule import Schedule

BASE = ("task.type=eurus", "task.path=rows.parquet", "model.path=owner/model")
LORA = ("model.lora={rank: 32, alpha: 64, target_modules: [q_proj, v_proj]}", "optimizer.learning_rate=1e-5")
CONFIGS = {
    "paper": ("model.gradient_checkpointing=true", "task.held_out_problems=512", "credit.beta=0.05"),
    "float32": ("model.dtype=float32", "reference.device=cpu"),
    "length": ("reward.overlong_buffer=1024", "filter.oversample_factor=1.1", "train.prompts_per_step=100"),
    "lora": (*LORA, "filter.type=none"),
    "grpo with a KL": ("credit.type=grpo", "loss.type=dual_clip", "loss.kl_loss_coef=0.01", "loss.kl_estimator=k3+"),
    "ppo": (
        "credit.type=ppo", "credit.gamma=0.99", "credit.lam=0.95", "critic.mini_batches=2", "critic.warmup_steps=4",
        "critic.head_start=2", "model.dtype=float32", "train.mini_batches=4", "train.update_epochs=2",
    ),
    "cispo": ("loss.type=cispo", "loss.loss_reduction=seq-mean-token-sum-norm", "loss.clip_ratio_high=6"),
    "gspo": ("loss.type=gspo", "credit.type=rloo", "train.mini_batches=8", "run_dir=a b, 'c' = $d\"e\\"),
    "dapo": (
        "filter.type=dynamic", "reward.overlong_buffer=1024", "loss.clip_ratio_high=0.28", "credit.type=grpo",
        "verify.math.boxes=all_equal", "verify.code.max_tests=3", "verify.code.prime_compat=true",
    ),
}  # fmt: skip


def composed(*words: str, folder: Path = Path("/runs/one")) -> DictConfig:
    """verl's config of a run of ours."""
    run_dir = next((folder / word.removeprefix("run_dir=") for word in words if word.startswith("run_dir=")), folder)
    overrides = words_of(translate(load_config(None, [*BASE, *words]), run_dir))
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", overrides)


@pytest.fixture(params=CONFIGS)
def words(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return CONFIGS[request.param]


def test_verl_takes_every_word(words: tuple[str, ...], tmp_path: Path) -> None:
    ours = load_config(None, [*BASE, *words])
    has_critic = ours.credit.type == "ppo"
    # Of a critic's model verl reads the tokenizer.
    config = composed(*words, *([f"model.path={save_model(tmp_path)}"] if has_critic else []))
    OmegaConf.resolve(config)
    if ours.model.lora is None:  # Of which verl asks vLLM.
        validate_config(config, use_reference_policy=True, use_critic=has_critic)
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    rollout = omega_conf_to_dataclass(config.actor_rollout_ref.rollout)
    reference = omega_conf_to_dataclass(config.actor_rollout_ref.ref.fsdp_config)
    assert (actor.rollout_n, rollout.n, rollout.temperature) == (4, 4, 1.0)
    assert (rollout.prompt_length, rollout.response_length) == (1024, 3072)
    assert (actor.optim.lr, actor.optim.clip_grad) == (ours.optimizer.learning_rate, 1.0)
    assert rollout.log_prob_use_dynamic_bsz
    assert rollout.log_prob_max_token_len_per_gpu == 16384
    assert config.actor_rollout_ref.ref.log_prob_max_token_len_per_gpu == 16384
    expected = "fp32" if ours.model.dtype == "float32" else None
    for engine in (actor.engine, reference):
        assert (engine.mixed_precision or {}).get("param_dtype") == expected
    assert reference.param_offload is (ours.reference.device == "cpu")
    assert config.data.train_files.endswith("/verl/train.parquet")


def test_verl_gives_every_method_what_it_needs(words: tuple[str, ...], tmp_path: Path) -> None:
    ours = load_config(None, [*BASE, *words])
    # verl checks what is arranged: of a critic's model it reads the tokenizer, and of adapters it asks vLLM.
    config = composed(*words, *([f"model.path={save_model(tmp_path)}"] if ours.credit.type == "ppo" else []))
    if ours.model.lora is not None:
        config.actor_rollout_ref.rollout.name = "sglang"
    estimator = ESTIMATORS[config.algorithm.adv_estimator]
    built = estimator.build(config.algorithm)
    assert built == METHODS[ours.credit.type](**ours.credit.hyper_parameters)
    arrange_scores(config, estimator)
    needs_reference = "ref_log_probs" in built.needs or ours.loss.kl_loss_coef > 0
    assert (config.algorithm.use_kl_in_reward or config.actor_rollout_ref.actor.use_kl_loss) is needs_reference
    assert bool(config.critic.enable) is ("values" in built.needs)
    drawn = arrange_filter(config)
    if ours.filter.type == "accuracy_window":
        assert drawn == drawn_prompts(ours) > config.data.train_batch_size
        assert config.trainer.v1.sampler.sampler_kwargs == {"window": [0.2, 0.8], "drawn": drawn}
    else:
        assert drawn is None
        assert drawn_prompts(ours) == config.data.train_batch_size


@pytest.mark.parametrize("name", SURROGATES)
def test_the_surrogate_of_the_actor_is_ours(name: str) -> None:
    losses = policy_losses(lambda **_: torch.zeros(()))
    for radii in ({}, {"clip_ratio_low": 0.11, "clip_ratio_high": 0.37}):
        config = composed(f"loss.type={name}", *(f"loss.{key}={value}" for key, value in radii.items()))
        actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
        assert isinstance(actor, FSDPActorConfig)
        assert losses[actor.policy_loss.loss_mode].build(actor) == SURROGATES[name](**radii)


@pytest.mark.parametrize("name", KL_ESTIMATORS)
def test_the_divergence_of_the_actor_is_ours(name: str) -> None:
    kind = composed("loss.kl_loss_coef=0.01", f"loss.kl_estimator={name}").actor_rollout_ref.actor.kl_loss_type
    policy = torch.linspace(-3, -0.1, 40, dtype=torch.float64).requires_grad_()
    reference = torch.linspace(-0.2, -2.5, 40, dtype=torch.float64)
    theirs, ours = kl_penalty(policy, reference, kind), KL_ESTIMATORS[name](policy - reference)
    torch.testing.assert_close(theirs, ours)
    gradients = [torch.autograd.grad(values.sum(), policy)[0] for values in (theirs, ours)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("cap", [None, 1.25])
def test_what_another_engine_sampled_weighs_as_here(cap: float | None) -> None:
    config = composed(*([f"loss.rollout_is_cap={cap}"] if cap else []))
    generator = torch.Generator().manual_seed(0)
    old, rollout = (-torch.rand(4, 6, generator=generator) * 2 for _ in range(2))
    mask = torch.arange(6) < torch.tensor([6, 3, 1, 5])[:, None]
    data = DataProto.from_dict({"old_log_probs": old, "rollout_log_probs": rollout, "response_mask": mask.long()})
    data, _ = compute_rollout_correction_and_add_to_batch(data, config.algorithm.rollout_correction)
    weights = TruncatedImportance(cap or 2.0)(old, rollout)
    assert (weights == (cap or 2.0)).any()
    torch.testing.assert_close(data.batch["rollout_is_weights"][mask], weights[mask])
    assert torch.equal(data.batch["response_mask"].bool(), mask)


def rates(section: DictConfig, steps: int) -> list[float]:
    """Of verl, as its engine builds them, as shares of the learning rate."""
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=1.0)
    if section.lr_scheduler_type == "constant":
        scheduler = get_constant_schedule_with_warmup(optimizer, section.lr_warmup_steps)
    else:
        scheduler = get_cosine_schedule_with_warmup(
            optimizer, section.lr_warmup_steps, steps, min_lr_ratio=section.min_lr_ratio, num_cycles=section.num_cycles
        )
    found = []
    for _ in range(steps):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("decay", ["cosine", "constant"])
@pytest.mark.parametrize("warmup", [0, 5])
def test_the_rate_is_ours_but_for_the_rise_which_begins_at_0(decay: str, warmup: int) -> None:
    config = composed(f"optimizer.decay={decay}", f"optimizer.warmup_steps={warmup}", "train.steps=20")
    theirs = rates(config.actor_rollout_ref.actor.optim, config.trainer.total_training_steps)
    schedule = Schedule(20, warmup, decay)
    assert theirs[warmup:] == pytest.approx([schedule(step) for step in range(warmup, 20)])
    assert theirs[:warmup] == pytest.approx([schedule(step - 1) if step else 0.0 for step in range(warmup)])


def test_the_settings_of_verifiers_reach_them() -> None:
    two = r"\boxed{2} or rather \boxed{1}"
    tests = json.dumps({"inputs": ["1\n", "2\n"], "outputs": ["1\n", "9\n"]})
    program = "```python\nprint(input())\n```"
    for words, expected in (((), (1.0, 0.5)), (("verify.math.boxes=all_equal", "verify.code.max_tests=1"), (0.0, 1.0))):
        score = get_custom_reward_fn(composed(*words))
        scores = [score("x", answer, truth, {})["score"] for answer, truth in ((two, "1"), (program, tests))]
        assert tuple(scores) == expected


def test_the_price_of_length_is_ours() -> None:
    words = ("filter.type=none", "reward.overlong_buffer=6", "reward.overlong_penalty=0.75")
    config = composed(*words, "rollout.max_response_length=10")
    penalty = OverlongPenalty(10, 6, 0.75)

    async def graded() -> list[dict[str, Any]]:
        manager = load_reward_manager(config, tokenizer())
        assert type(manager).__name__ == "DAPORewardManager"
        return [await manager.run_single(answer_of(length)) for length in range(1, 11)]

    found = asyncio.run(graded())
    assert [float(one["reward_score"]) for one in found] == pytest.approx([penalty(length) for length in range(1, 11)])
    assert [one["reward_extra_info"]["acc"] for one in found] == [0.0] * 10


def answer_of(length: int) -> DataProto:
    """A wrong answer of so many tokens, as verl hands it to a reward manager: no longer than it is."""
    attention = torch.ones(1, length + 3, dtype=torch.long)
    data = DataProto.from_dict(
        {"responses": torch.full((1, length), 5), "attention_mask": attention},
        {"data_source": ["sums"], "reward_model": [{"ground_truth": "1"}], "extra_info": [{"index": 0}]},
    )
    assert len(data) == 1
    return data


def test_verl_reads_the_problems_that_are_written(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    rows = [{"problem": f"{i}+1", "answer": str(i + 1)} for i in range(9)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("task.type=math", "task.prompt_suffix=''", f"task.path={source}", "train.prompts_per_step=4")
    words += ("model.path=owner/model", "rollout.max_prompt_length=8")
    ours = load_config(None, words)
    task = load_problems(ours)
    (file,) = write_data(task, tmp_path / "verl")
    config = composed(*words[3:])
    with open_dict(config):
        config.data.cache_dir = str(tmp_path / "cache")
    dataset = RLHFDataset(str(file), tokenizer(), config.data)
    assert len(dataset) == 9
    row: dict[str, Any] = dataset[0]
    assert row["raw_prompt"] == [dict(message) for message in task.train[0].messages]
    assert row["reward_model"]["ground_truth"] == task.train[0].ground_truth
    assert row["data_source"] == "math"


def test_the_default_config_is_the_ready_one() -> None:
    ready = OmegaConf.load(Path(spro.plugins.launch.__file__).parents[1] / "verl/config/paper.yaml")
    ours = composed("model.gradient_checkpointing=true", "reference.device=cpu", "task.held_out_problems=9")
    differing = {key for key, value in flat(ready) if OmegaConf.select(ours, key) != value}
    machines = {f"actor_rollout_ref.rollout.{key}" for key in ("tensor_model_parallel_size", "gpu_memory_utilization")}
    paths = {"data.train_files", "data.val_files", "actor_rollout_ref.model.path"}
    assert differing == machines | paths | {f"algorithm.spro.{key}" for key in ready.algorithm.spro}
    assert ready.algorithm.spro == METHODS["spro"].hyper_parameters()


def flat(section: DictConfig, place: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their keys; ``???`` stands for what is missing."""
    for key, value in OmegaConf.to_container(section).items():
        if key == "defaults":
            continue
        inner = OmegaConf.create(value) if isinstance(value, dict) else None
        yield from flat(inner, f"{place}{key}.") if inner is not None else [(place + key, value)]


def test_the_place_of_the_log_goes_to_every_worker() -> None:
    """As ``run_ppo`` merges it."""
    config = composed(folder=Path("/runs/here it is"))
    default = {"env_vars": {"TOKENIZERS_PARALLELISM": "true"}}
    merged = OmegaConf.merge(default, config.ray_kwargs.ray_init.get("runtime_env", {}))
    variables = OmegaConf.to_container(merged)["env_vars"]
    assert variables["VERL_FILE_LOGGER_PATH"] == "/runs/here it is/verl/metrics.jsonl"
    assert variables["TOKENIZERS_PARALLELISM"] == "true"


def test_odd_names_of_folders_arrive_whole() -> None:
    config = composed(*CONFIGS["gspo"])
    assert config.trainer.experiment_name == "a b, 'c' = $d\"e\\"
    assert OmegaConf.to_container(config, resolve=True)["trainer"]["default_local_dir"] == (
        "/runs/one/a b, 'c' = $d\"e\\/checkpoints"
    )


def test_a_dry_run_needs_no_verl(tmp_path: Path) -> None:
    """Here verl is installed, and yet nothing of it is imported."""
    code = (
        "import sys\nfrom spro.cli import main\n"
        f"code = main({['launch', 'verl', '--dry-run', *BASE]})\n"
        "assert not {'verl', 'ray', 'hydra'} & sys.modules.keys()\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") > 30


CONFIG = """
model: {{path: {folder}/model, dtype: float32}}
task: {{type: eurus, path: {folder}/train.parquet, held_out_problems: 4}}
run_dir: {folder}/launched/out
rollout: {{max_prompt_length: 16, max_response_length: 12}}
loss: {{type: cispo, kl_loss_coef: 0.01}}
optimizer: {{learning_rate: 0.01}}
train: {{steps: 2, prompts_per_step: 2, micro_batch_tokens: 64}}
evaluate: {{every: 2}}
log: {{checkpoint_every: 2}}
"""


OF_THIS_MACHINE = {
    "trainer.device",
    "trainer.n_gpus_per_node",
    "trainer.nnodes",
    "trainer.checkpoint_callback_class",
    "trainer.records",
    "actor_rollout_ref.actor.strategy",
    "actor_rollout_ref.actor.use_torch_compile",
    "actor_rollout_ref.model.use_remove_padding",
    "actor_rollout_ref.model.override_config.attn_implementation",
    "actor_rollout_ref.rollout.name",
    "actor_rollout_ref.rollout.tensor_model_parallel_size",
    "actor_rollout_ref.rollout.agent.num_workers",
    "actor_rollout_ref.rollout.agent.agent_loop_config_path",
    "actor_rollout_ref.rollout.agent.default_agent_loop",
    "data.dataloader_num_workers",
    "reward.num_workers",
    "transfer_queue.backend.SimpleStorage.num_data_storage_units",
}
"""Of the overrides of the other tests: those that are no setting of a run."""


def test_a_run_from_our_config_to_the_end(tmp_path: Path) -> None:
    """``spro launch verl`` itself; behind -- stands only what this machine wants, which has no GPU and no vLLM."""
    folder, run = prepare(tmp_path), tmp_path / "launched"
    run.mkdir()
    (run / "run.yaml").write_text(CONFIG.format(folder=folder))
    temporary = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    wanted = {key: value for key, value in settings(folder, run).items() if key.lstrip("+") in OF_THIS_MACHINE}
    assert len(wanted) == len(OF_THIS_MACHINE)
    here = [f"{key}={value}" for key, value in (wanted | own_ray(temporary)).items()]
    command = [sys.executable, "-m", "spro.cli", "launch", "verl", "run.yaml", "--", *here]
    try:
        with kept(run, command, environment(run, {})) as started:
            done = started.wait()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    assert done.returncode == 0, done.output[-3000:]
    lines = (run / "out/verl/metrics.jsonl").read_text().splitlines()
    metrics = {line["step"]: line["data"] for line in map(json.loads, lines)}
    assert metrics.keys() == {0, 1, 2}
    first, last = metrics[1], metrics[2]
    # Policy and reference are one model in one precision, and a step later no more.
    assert (first["actor/kl_loss"], first["credit/msa_std"]) == (0, 0)
    assert last["actor/kl_loss"] > 0
    assert last["credit/msa_std"] > 0
    assert first["filter/groups"] == 2
    assert first["rollout_corr/rollout_is_mean"] == pytest.approx(1, abs=1e-5)
    assert [step for step, found in metrics.items() if "val-core/sums/acc/mean@1" in found] == [0, 2]
    assert (run / "out/checkpoints/global_step_2/actor").is_dir()
