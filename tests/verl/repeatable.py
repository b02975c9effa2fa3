"""Two equal runs of verl give equal numbers, bit for bit. For tests only.

Three things of verl 0.9.1 differ between two runs with the same seeds: prompts get random names
(verl/trainer/ppo/v1/trainer_base.py:1441), responses stand in the batch in the order in which they arrived
(verl/trainer/ppo/v1/replay_buffer.py:397), and a request for a response has a random name too, by which the sampler
cannot tell the responses of a group apart (verl/experimental/agent_loop/single_turn_agent_loop.py:69).
"""

from itertools import count
from types import SimpleNamespace
from typing import Any

from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop


class SessionAgentLoop(SingleTurnAgentLoop):
    """Tells the sampler which response of its group it is."""

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> Any:
        return await super().run(sampling_params | {"session": kwargs["session_id"]}, **kwargs)


def make_repeatable() -> None:
    """Number the prompts and sort the rows, in the process of the trainer."""
    from verl.trainer.ppo.v1 import replay_buffer, trainer_base

    numbers = count()
    trainer_base.uuid = SimpleNamespace(uuid4=lambda: f"prompt{next(numbers):04d}")

    materialize = replay_buffer.ReplayBuffer._materialize_batch

    def sorted_batch(self: Any, partition_id: str, selected: list[str], snapshot: dict[str, dict]) -> Any:
        return materialize(self, partition_id, selected, dict(sorted(snapshot.items())))

    replay_buffer.ReplayBuffer._materialize_batch = sorted_batch
