"""The accuracy filter as a sampler of verl."""

from collections import defaultdict
from typing import Any

import transfer_queue
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from spro.window import AccuracyWindow


class WindowedBuffer(ReplayBuffer):
    """Of the groups that a step rolled out, those whose mean score lies in a window, filled up with others.

    verl has it by ``trainer.v1.sampler.custom_sampler``. The score is what the reward function calls ``acc``, as verl's
    reward managers have it of every score; without such a word the reward.

    Args:
        sampler_kwargs: ``window``, [low, high], and ``drawn``, how many prompts a step rolls out.
        settings: verl's.
    """

    def __init__(self, *, sampler_kwargs: Any, **settings: Any) -> None:
        super().__init__(sampler_kwargs=sampler_kwargs, **settings)
        self._window = AccuracyWindow(*sampler_kwargs["window"])
        self._count = int(sampler_kwargs["drawn"])
        self.drawn: list[str] = []
        """Prompts of this step, in the order in which they were drawn; the trainer says so."""

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> Any:
        """The groups to train on, as a ``KVBatchMeta``, and metrics; of validation all groups."""
        if partition_id == "val":
            return super().sample(global_steps, partition_id, batch_size)
        batch, metrics = super().sample(global_steps, partition_id, self._count)
        means = self._mean_scores(batch)
        # A prompt to which no response could be graded was drawn and has no mean.
        uids = [uid for uid in self.drawn if uid in means]
        chosen = {uids[place] for place in self._window.choose([means[uid] for uid in uids], batch_size)}
        kept = [place for place, key in enumerate(batch.keys) if _uid(key) in chosen]
        dropped = [key for key in batch.keys if _uid(key) not in chosen]
        if dropped:
            transfer_queue.kv_clear(keys=dropped, partition_id=partition_id)
        inside = sum(self._window.holds(means[uid]) for uid in chosen)
        metrics = {**metrics, "filter/groups": len(chosen), "filter/in_window_fraction": inside / len(chosen)}
        selected = KVBatchMeta(
            partition_id=partition_id,
            keys=[batch.keys[place] for place in kept],
            tags=[batch.tags[place] for place in kept],
        )
        return selected, metrics

    def _mean_scores(self, batch: KVBatchMeta) -> dict[str, float]:
        fields = transfer_queue.kv_batch_get(
            keys=batch.keys, partition_id=batch.partition_id, select_fields=["rm_scores", "extra_fields"]
        )
        scores: dict[str, list[float]] = defaultdict(list)
        for key, rewards, extra in zip(batch.keys, fields["rm_scores"], fields["extra_fields"], strict=True):
            told = getattr(extra, "data", extra).get("reward_extra_info", {})
            scores[_uid(key)].append(float(told.get("acc", rewards.sum())))
        return {uid: sum(numbers) / len(numbers) for uid, numbers in scores.items()}


def _uid(key: str) -> str:
    """The prompt of a response, whose key is ``{uid}_{session}_{index}``."""
    return key.split("_", 1)[0]
