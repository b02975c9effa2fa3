"""What verl 0.9.1 lacks to train on a CPU: a platform, an engine, a rollout. For tests only, and no part of spro.

verl imports it in the driver and in every worker: ``VERL_USE_EXTERNAL_MODULES=cpu_host VERL_PLATFORM=cpu``. Everything
above these three stays verl's own: trainer, TransferQueue, agent loop, reward loop, FSDP2 engine, checkpoints.
"""

import os

from verl.workers.rollout import base
from verl.workers.rollout.replica import RolloutReplicaRegistry

from . import platform  # noqa: F401


def _replica() -> type:
    # Late, for it imports Ray actors that only the trainer wants.
    from .rollout import TransformersReplica

    return TransformersReplica


# verl/workers/engine/base.py:401 looks engines up by device and knows cuda and npu; its FSDP engine does not care.
os.environ["VERL_ENGINE_DEVICE"] = "cuda"

# verl/workers/rollout/replica.py: vllm, sglang and trtllm want an accelerator. The class in hf_rollout.py is in no
# registry and its constructor is not the one that the workers call.
RolloutReplicaRegistry.register("transformers", _replica)
base._ROLLOUT_REGISTRY["transformers", "async"] = "cpu_host.rollout.WeightSender"
