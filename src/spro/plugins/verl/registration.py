"""What spro adds to verl, and whether it is there."""

import logging

from verl.trainer.ppo import core_algos

from spro.plugins.hosts import VERL
from spro.plugins.verl.estimators import ESTIMATORS
from spro.plugins.verl.losses import policy_losses


def register() -> None:
    """Put estimators, losses and trainers into verl's registries; twice does no harm.

    The trainers take the place of verl's own, whose names verl compares with in many places; each does what its base
    does until an estimator or a filter of ours is asked for.
    """
    if doubt := VERL.doubt():
        logging.getLogger("spro").warning(doubt)
    for name, estimator in ESTIMATORS.items():
        core_algos.register_adv_est(name)(estimator)
    for name, loss in policy_losses(core_algos.agg_loss).items():
        core_algos.register_policy_loss(name)(loss)
    # Here and not above: they need what verl's workers without a trainer may not have.
    from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

    from spro.plugins.verl.trainers import with_credit

    for name, trainer in TRAINER_REGISTRY.items():
        TRAINER_REGISTRY[name] = with_credit(trainer)


def missing() -> list[str]:
    """What of it this process lacks, by name."""
    from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

    from spro.plugins.verl.trainers import CreditTrainer

    losses = policy_losses(core_algos.agg_loss)
    return [
        *(f"estimator {name}" for name in ESTIMATORS if name not in core_algos.ADV_ESTIMATOR_REGISTRY),
        *(f"loss mode {name}" for name in losses if name not in core_algos.POLICY_LOSS_REGISTRY),
        *(f"trainer {name}" for name, cls in TRAINER_REGISTRY.items() if not issubclass(cls, CreditTrainer)),
    ]
