"""The surrogates as policy losses of verl."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from spro.loss import SURROGATES, Surrogate
from spro.plugins.verl_names import loss_mode


@dataclass(frozen=True)
class PolicyLoss:
    """One surrogate with the signature of ``verl.trainer.ppo.core_algos.register_policy_loss``.

    Its hyper-parameters are verl's settings of the same name, ``actor.clip_ratio_low`` and so on, whose defaults are
    PPO's: verl hands a loss nothing else. The reduction is verl's, ``actor.loss_agg_mode``.

    Attributes:
        surrogate: its class.
        reduce: verl's ``agg_loss``.
    """

    surrogate: type[Surrogate]
    reduce: Callable[..., Tensor]

    @property
    def name(self) -> str:
        """In verl."""
        return loss_mode(self.surrogate.name)

    def build(self, actor: Any) -> Surrogate:
        """The surrogate with the settings of a run.

        Args:
            actor: the section ``actor_rollout_ref.actor`` of verl's config.

        Raises:
            BatchError: a setting is impossible.
        """
        # A radius that is null means the common one, as in verl's own losses.
        settings = {field.name: getattr(actor, field.name) for field in fields(self.surrogate)}  # type: ignore[arg-type]
        return self.surrogate(
            **{name: actor.clip_ratio if value is None else value for name, value in settings.items()}
        )

    def __call__(
        self,
        old_log_prob: Tensor,
        log_prob: Tensor,
        advantages: Tensor,
        response_mask: Tensor,
        loss_agg_mode: str = "token-mean",
        config: Any = None,
        rollout_is_weights: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss and verl's metrics of it.

        Args:
            old_log_prob: [B, T].
            log_prob: [B, T], with gradient.
            advantages: [B, T].
            response_mask: [B, T].
            loss_agg_mode: verl's name of a reduction.
            config: the section ``actor`` of verl's config.
            rollout_is_weights: [B, T]; what verl corrects for the engine with.
        """
        surrogate, mask = self.build(config), response_mask.bool()
        losses = -surrogate(log_prob, old_log_prob, advantages, mask)
        if rollout_is_weights is not None:
            losses = losses * rollout_is_weights
        loss = self.reduce(
            loss_mat=losses, loss_mask=response_mask, loss_agg_mode=loss_agg_mode, **config.global_batch_info
        )
        with torch.no_grad():
            clipped = surrogate.is_clipped(log_prob, old_log_prob, advantages, mask)
            tokens = mask.sum().clamp(min=1)
            divergence = (old_log_prob - log_prob).masked_fill(~mask, 0.0).sum() / tokens
            fraction = clipped.sum() / tokens
        return loss, {"actor/pg_clipfrac": float(fraction), "actor/ppo_kl": float(divergence)}


def policy_losses(reduce: Callable[..., Tensor]) -> dict[str, PolicyLoss]:
    """All of them by their names in verl."""
    losses = [PolicyLoss(surrogate, reduce) for surrogate in SURROGATES.values()]
    return {loss.name: loss for loss in losses}
