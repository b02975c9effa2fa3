"""verl's trainers, which hand an estimator of ours what it needs."""

from typing import Any

import transfer_queue
from omegaconf import DictConfig
from verl.trainer.ppo.v1 import PPOTrainer

from spro.plugins.verl.arrange import arrange_filter, arrange_scores, find_estimator
from spro.plugins.verl.tensors import Scores, carried
from spro.plugins.verl_names import VERL_NAMES


class CreditTrainer(PPOTrainer):
    """What every trainer of verl gains; with an estimator of verl's own and no filter of ours it is what it was.

    Mixed in front of a trainer, see ``with_credit``. verl computes old and reference log-probs before it asks for
    advantages, and gives the estimator the rewards alone: the others are read from the same place as verl reads them,
    and carried past the call.
    """

    def __init__(self, config: DictConfig) -> None:
        self._estimator = find_estimator(config)
        if self._estimator is not None:
            arrange_scores(config, self._estimator)
        self._prompts_drawn = arrange_filter(config)
        super().__init__(config)

    def _next_train_batch(self, num_prompts: int | None = None) -> Any:
        """The prompts of a step: with a filter, more than it trains on."""
        batch = super()._next_train_batch(self._prompts_drawn if num_prompts is None else num_prompts)
        if self._prompts_drawn is not None:
            self.replay_buffer.drawn = list(batch["uid"])
        return batch

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        if self._estimator is None:
            return super()._compute_advantage(batch, metrics)
        scores = _read_scores(batch, self._estimator.method.needs)
        with carried(scores):
            batch = super()._compute_advantage(batch, metrics)
        metrics.update(scores.log)
        return batch


def _read_scores(batch: Any, needs: frozenset[str]) -> Scores:
    """What a method needs of the responses of a batch, as far as this run of verl computes it."""
    names = {name: VERL_NAMES[name] for name in needs}
    if not names:
        return Scores({})
    fields = transfer_queue.kv_batch_get(
        keys=batch.keys, partition_id=batch.partition_id, select_fields=[*names.values(), "response_mask"]
    ).to_padded_tensor()
    width = fields["response_mask"].shape[1]
    tensors = {name: fields[theirs][:, :width] for name, theirs in names.items() if theirs in fields}
    return Scores({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})


def with_credit(trainer: type[PPOTrainer]) -> type[PPOTrainer]:
    """The trainer with ``CreditTrainer`` in front, under its own name."""
    if issubclass(trainer, CreditTrainer):
        return trainer
    return type(trainer.__name__, (CreditTrainer, trainer), {"__doc__": trainer.__doc__, "__module__": __name__})
