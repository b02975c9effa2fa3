"""``python nodes.py FOLDER ENV ENV...`` starts a Ray of one node for each ENV, and looks at each. For tests only.

ENV is JSON, the environment variables of a node's workers on top of this process's. Each node has one GPU, a number.
What a worker of each sees goes to FOLDER/nodes.json, then Ray's address to FOLDER/address; then it waits to be killed.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


@ray.remote(num_cpus=0)
def seen() -> dict[str, Any]:
    """What ``import verl`` alone brings into a worker."""
    import verl  # noqa: F401
    from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY, POLICY_LOSS_REGISTRY
    from verl.trainer.ppo.v1 import trainer_base

    found = {
        "node": ray.get_runtime_context().get_node_id(),
        "pid": os.getpid(),
        "is_loaded": "spro.plugins.verl" in sys.modules,
        "estimators": sorted(map(str, ADV_ESTIMATOR_REGISTRY)),
        "losses": sorted(POLICY_LOSS_REGISTRY),
        "trainers": {
            name: [base.__name__ for base in trainer.__mro__] for name, trainer in trainer_base.TRAINER_REGISTRY.items()
        },
    }
    # Last, for to import it is to load the plug-in.
    from spro.plugins.verl.registration import missing

    return found | {"missing": missing()}


def main(folder: Path, environments: list[dict[str, str]]) -> None:
    of_all = {"num_cpus": 8, "num_gpus": 1, "object_store_memory": 200_000_000}
    cluster = Cluster()
    nodes = []
    for environment in environments:
        head = {} if cluster.head_node else {"include_dashboard": False}
        nodes.append(cluster.add_node(env_vars=environment, **of_all, **head))
    ray.init(cluster.address)
    pinned = [NodeAffinitySchedulingStrategy(node.node_id, soft=False) for node in nodes]
    looks = [seen.options(scheduling_strategy=strategy).remote() for strategy in pinned]
    (folder / "nodes.json").write_text(json.dumps(ray.get(looks)))
    ray.shutdown()
    (folder / "address.new").write_text(cluster.address)
    (folder / "address.new").rename(folder / "address")
    signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [json.loads(text) for text in sys.argv[2:]])
