"""The runs of verl that tests look at. A run takes two minutes, most of them imports in a dozen processes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launch import STOCK, TIMEOUT, Finished, Running, nodes, prepare, running
from tests.waiting import wait_for
from tiny import save_model

from spro.models import load_policy
from spro.models import save_model as save_policy

ACTOR = "actor_rollout_ref.actor"
SPRO = "algorithm.adv_estimator=spro"
CISPO = f"{ACTOR}.policy_loss.loss_mode=spro_cispo"
SOON_S = 600.0
"""From a worker's death to the end of its run; most of it is shutdown on a slow machine."""


@dataclass(frozen=True)
class Run:
    """What a run of this name is.

    Attributes:
        overrides: of verl's config; ``{folder}`` stands for the folder of all runs.
        env: environment variables.
        after: the run that it goes on from.
        nodes: the environments of the nodes of a Ray that it joins; none for a Ray of its own.
        kill: after the second step the worker of this title is killed.
    """

    overrides: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    after: str | None = None
    nodes: tuple[Mapping[str, str], ...] = ()
    kill: str | None = None


RUNS = {
    # The first override is all that a user adds to verl's stock config; the others keep what the tests want to see.
    "spro": Run((SPRO, "trainer.save_freq=1", f"{ACTOR}.checkpoint.save_contents=[model,optimizer,extra,hf_model]")),
    "window": Run(
        (
            "algorithm.adv_estimator=spro_rloo",
            CISPO,
            "+algorithm.spro_filter.oversample_factor=2",
            "+algorithm.spro_filter.accuracy_low=0.3",
            "+algorithm.spro_filter.accuracy_high=0.6",
            "trainer.total_training_steps=1000",
            "trainer.total_epochs=1000",
        ),
        kill="ray::WorkerDict",
    ),
    "grpo": Run(("algorithm.adv_estimator=grpo", "trainer.total_training_steps=2"), env=STOCK),
    "grpo_beside_spro": Run(("algorithm.adv_estimator=grpo", "trainer.total_training_steps=2")),
    "resumed": Run(
        (
            SPRO,
            "trainer.resume_mode=resume_path",
            "trainer.resume_from_path={folder}/spro/checkpoints/global_step_2",
        ),
        after="spro",
    ),
    # With a filter that drops nothing, which some responses then miss.
    "raising_reward": Run(
        (SPRO, "reward.custom_reward_function.name=raising", "+algorithm.spro_filter.oversample_factor=1")
    ),
    "critic": Run(
        (
            "algorithm.adv_estimator=spro_ppo",
            "+algorithm.spro.lam=0.5",
            "trainer.total_training_steps=2",
            "critic.strategy=fsdp2",
            "critic.model.path={folder}/model",
            "critic.model.use_remove_padding=False",
            "critic.model.enable_gradient_checkpointing=False",
            "+critic.model.override_config.attn_implementation=sdpa",
            "+critic.fsdp.mixed_precision={{param_dtype:fp32,reduce_dtype:fp32,buffer_dtype:fp32}}",
            "critic.ppo_micro_batch_size_per_gpu=4",
        )
    ),
    # Merged before they are sent, for plain transformers samples without adapters.
    "lora": Run(
        (
            SPRO,
            "trainer.total_training_steps=2",
            "actor_rollout_ref.model.lora_rank=4",
            "actor_rollout_ref.model.lora_alpha=8",
            "actor_rollout_ref.model.lora.merge=True",
        )
    ),
    "two_nodes": Run((SPRO, CISPO, "trainer.nnodes=2", "trainer.total_training_steps=2"), nodes=({}, {})),
    "one_node_without": Run((SPRO, CISPO, "trainer.nnodes=2", "trainer.total_training_steps=2"), nodes=({}, STOCK)),
    "unknown_estimator": Run(("algorithm.adv_estimator=sproo",)),
    "misspelled_key": Run((SPRO, "+algorithm.spro.bta=0.1")),
}
TOGETHER = [
    ("spro", "window"),
    ("grpo", "grpo_beside_spro"),
    ("resumed", "raising_reward"),
    ("two_nodes", "misspelled_key"),
    ("one_node_without", "unknown_estimator"),
    ("critic", "lora"),
]
"""Two at a time, for most of a run waits for one process after the other to import its libraries."""


class Runs:
    """``runs("spro")`` is that run, finished; it happens once. They start from a model folder that spro wrote."""

    def __init__(self, folder: Path) -> None:
        save_policy(folder / "model", load_policy(str(save_model(folder / "hub")), device="cpu"))
        self.folder = prepare(folder)
        self._finished: dict[str, Finished] = {}

    def __call__(self, name: str) -> Finished:
        if name not in self._finished:
            self._run(next(names for names in TOGETHER if name in names))
        return self._finished[name]

    def seen(self, name: str) -> list[dict[str, Any]]:
        """What workers of the nodes saw, in the order of ``Run.nodes``."""
        self(name)
        return json.loads((self.folder / f"{name}_nodes/nodes.json").read_text())

    def _run(self, names: tuple[str, ...]) -> None:
        for name in names:
            if (first := RUNS[name].after) is not None:
                self(first)
        with ExitStack() as stack:
            started = {name: stack.enter_context(self._start(name)) for name in names}
            # First the one that is killed, which else goes on and on while the other comes to its end.
            for name in sorted(names, key=lambda name: RUNS[name].kill is None):
                self._finished[name] = _end(started[name], RUNS[name].kill)

    @contextmanager
    def _start(self, name: str) -> Iterator[Running]:
        run = RUNS[name]
        overrides = [override.format(folder=self.folder) for override in run.overrides]
        with ExitStack() as stack:
            joined = nodes(self.folder, *run.nodes, name=f"{name}_nodes") if run.nodes else None
            address = stack.enter_context(joined) if joined else None
            started = running(self.folder, *overrides, name=name, env=run.env, address=address)
            yield stack.enter_context(started)


def _end(run: Running, kill: str | None) -> Finished:
    if kill is None:
        return run.wait()
    wait_for(lambda: run.keeper.poll() is not None or len(Finished(run.run, None).metrics) >= 2, TIMEOUT)
    for worker in run.workers(kill):
        worker.kill()
    return run.wait(SOON_S)
