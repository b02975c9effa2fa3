"""Starts stock ``python -m verl.trainer.main_ppo`` on a small Ray of its own, and ends all that it started."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import torch
from tests.waiting import wait_for
from tiny import save_data, save_model

HERE = Path(__file__).parent
TIMEOUT = 1800.0
"""Seconds after which a run hangs, however slow its machine; two minutes will do on a fast one."""


def settings(folder: Path, run: Path) -> dict[str, Any]:
    """Overrides of verl's stock config: what a box without accelerators wants, and small sizes.

    Of the reference nothing is said: its strategy is the actor's, and the rest is the plug-in's affair.
    """
    rollout, actor = "actor_rollout_ref.rollout", "actor_rollout_ref.actor"
    return {
        # No accelerator: FSDP2 in float32 on one rank, no flash attention, nothing compiled.
        "trainer.device": "cpu",
        "trainer.n_gpus_per_node": 1,
        "trainer.nnodes": 1,
        f"{actor}.strategy": "fsdp2",
        f"+{actor}.fsdp_config.mixed_precision": "{param_dtype:fp32,reduce_dtype:fp32,buffer_dtype:fp32}",
        f"{actor}.use_torch_compile": False,
        "actor_rollout_ref.model.path": folder / "model",
        "actor_rollout_ref.model.use_remove_padding": False,
        "+actor_rollout_ref.model.override_config.attn_implementation": "sdpa",
        "actor_rollout_ref.model.enable_gradient_checkpointing": False,
        f"{rollout}.name": "transformers",
        f"{rollout}.tensor_model_parallel_size": 1,
        # Small numbers.
        "data.train_files": folder / "train.parquet",
        "data.val_files": folder / "train.parquet",
        "data.train_batch_size": 4,
        "data.max_prompt_length": 16,
        "data.max_response_length": 12,
        "data.dataloader_num_workers": 0,
        "data.shuffle": False,
        f"{rollout}.n": 4,
        f"{rollout}.log_prob_micro_batch_size_per_gpu": 4,
        f"{rollout}.agent.num_workers": 1,
        f"{actor}.ppo_mini_batch_size": 4,
        f"{actor}.ppo_micro_batch_size_per_gpu": 4,
        f"{actor}.optim.lr": 0.01,
        "reward.num_workers": 1,
        "reward.custom_reward_function.path": HERE / "tiny.py",
        "reward.custom_reward_function.name": "score",
        "transfer_queue.backend.SimpleStorage.num_data_storage_units": 1,
        "trainer.val_before_train": False,
        "trainer.test_freq": -1,
        "trainer.save_freq": -1,
        "trainer.total_epochs": 1,
        "trainer.total_training_steps": 3,
        # What the tests read.
        "trainer.logger": "[console,file]",
        # The trainer is a worker of Ray, which need not inherit this process's environment.
        "+ray_kwargs.ray_init.runtime_env.env_vars.VERL_FILE_LOGGER_PATH": run / "metrics.jsonl",
        "trainer.default_local_dir": run / "checkpoints",
        "trainer.checkpoint_callback_class": "recorder.Recorder",
        "+trainer.records": run / "records",
        f"{rollout}.agent.agent_loop_config_path": HERE / "agent_loop.yaml",
        f"{rollout}.agent.default_agent_loop": "session",
    }


def own_ray(temporary: Path) -> dict[str, Any]:
    """A Ray that the run starts for itself; its one GPU is a number."""
    return {
        "ray_kwargs.ray_init.num_cpus": 8,
        "+ray_kwargs.ray_init.num_gpus": 1,
        "+ray_kwargs.ray_init.include_dashboard": False,
        "+ray_kwargs.ray_init.object_store_memory": 200_000_000,
        "+ray_kwargs.ray_init._temp_dir": temporary,
    }


QUIET_RAY = {
    # Ray then calls this machine 127.0.0.1 and listens there alone; elsewhere it maps that to the outer address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
}
STOCK = {"VERL_USE_EXTERNAL_PLUGINS": "none"}
"""As if spro were not installed."""


def environment(run: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Of a run: what is installed counts, nothing of the shell."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "VERL_"))}
    ours = {
        "PYTHONPATH": str(HERE),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HYDRA_FULL_ERROR": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "VERL_PLATFORM": "cpu",
        "VERL_USE_EXTERNAL_MODULES": "cpu_host",
    }
    return inherited | QUIET_RAY | ours | extra


@dataclass(frozen=True)
class Finished:
    """A run that is over: ``returncode`` is None when it was ended because it took too long."""

    run: Path
    returncode: int | None

    @cached_property
    def output(self) -> str:
        return (self.run / "output.txt").read_text(errors="replace")

    @cached_property
    def metrics(self) -> list[dict[str, float]]:
        """What verl's file logger wrote, one dict a step."""
        path = self.run / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        # The last one of a run that goes on may be half written.
        return [json.loads(line)["data"] for line in lines if line.endswith("\n")]

    @cached_property
    def recorded(self) -> list[dict[str, Any]]:
        """What the recorder saved, one dict a step."""
        return [torch.load(path) for path in sorted((self.run / "records").glob("*.pt"))]


class Running:
    """A run under its keeper, before it is over."""

    def __init__(self, run: Path, keeper: subprocess.Popen[bytes]) -> None:
        self.run = run
        self.keeper = keeper

    def wait(self, timeout: float = TIMEOUT) -> Finished:
        with suppress(subprocess.TimeoutExpired):
            self.keeper.wait(timeout)
        return Finished(self.run, self.keeper.returncode)

    def processes(self) -> list[psutil.Process]:
        """All that it started and that live."""
        with suppress(psutil.Error):
            return psutil.Process(self.keeper.pid).children(recursive=True)
        return []

    def workers(self, title: str) -> list[psutil.Process]:
        """Those whose title holds the text; Ray calls a worker after its actor, such as ``ray::WorkerDict``."""
        return [process for process in self.processes() if title in _title(process)]


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


@contextmanager
def kept(run: Path, command: list[str], env: Mapping[str, str]) -> Iterator[Running]:
    """A command under its keeper, with its output in ``run/output.txt``; all of it is gone at the end."""
    with (run / "output.txt").open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, str(HERE / "keeper.py"), *command],
            cwd=run,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Running(run, keeper)
        finally:
            keeper.terminate()
            keeper.wait(TIMEOUT)


def prepare(folder: Path) -> Path:
    """Write the model and the data that runs in this folder share, if they are not there."""
    if not (folder / "model").exists():
        save_model(folder / "model")
    if not (folder / "train.parquet").exists():
        save_data(folder / "train.parquet")
    return folder


@contextmanager
def running(
    folder: Path,
    *overrides: str,
    name: str = "run",
    env: Mapping[str, str] = {},
    config: tuple[str, str] | None = None,
    address: str | None = None,
) -> Iterator[Running]:
    """Start a run in ``folder/name``.

    Args:
        overrides: of verl's config; they win over ``settings``.
        env: environment variables on top.
        config: path and name of a config in place of verl's ``ppo_trainer``.
        address: of a Ray that runs already; without it the run starts its own.
    """
    prepare(folder)
    run = folder / name
    run.mkdir()
    # Short, for the path of a socket has 107 characters at most.
    temporary = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    ray = own_ray(temporary) if address is None else {"+ray_kwargs.ray_init.address": address}
    chosen = {_key(key): f"{key}={value}" for key, value in (settings(folder, run) | ray).items()}
    chosen |= {_key(override): override for override in overrides}
    named = [] if config is None else [f"--config-path={config[0]}", f"--config-name={config[1]}"]
    command = [sys.executable, "-m", "verl.trainer.main_ppo", *named, *chosen.values()]
    try:
        with kept(run, command, environment(run, env)) as started:
            yield started
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def nodes(folder: Path, *environments: Mapping[str, str], name: str = "nodes") -> Iterator[str]:
    """The address of a Ray of several nodes; what their workers see is in ``folder/name/nodes.json``."""
    run = folder / name
    run.mkdir()
    temporary = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    # Ray's Cluster wants the folder to be there.
    (temporary / "ray").mkdir()
    command = [sys.executable, str(HERE / "nodes.py"), str(run), *map(json.dumps, environments)]
    try:
        with kept(run, command, environment(run, {"RAY_TMPDIR": str(temporary)})) as started:
            wait_for(lambda: (run / "address").exists() or started.keeper.poll() is not None, TIMEOUT)
            assert (run / "address").exists(), (run / "output.txt").read_text()
            yield (run / "address").read_text()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _key(override: str) -> str:
    return override.split("=")[0].lstrip("+~")


def run_main(folder: Path, *overrides: str, timeout: float = TIMEOUT, **how: Any) -> Finished:
    """Run verl's main to its end, or for ``timeout`` seconds. See ``running``."""
    with running(folder, *overrides, **how) as run:
        return run.wait(timeout)
