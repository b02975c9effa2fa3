"""The credit methods as advantage estimators of verl."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spro.credit import METHODS, Method, TokenBatch
from spro.errors import ConfigError
from spro.named import Registry
from spro.plugins.scored import assign_among
from spro.plugins.verl.tensors import current_scores
from spro.plugins.verl_names import PREFIX, missing_in_verl, verl_name

SECTION = f"algorithm.{PREFIX}"
"""Where a run sets the hyper-parameters of its method."""
_METHODS = Registry(SECTION, "credit method", METHODS, common=frozenset())


@dataclass(frozen=True)
class Estimator:
    """One credit method with the signature of ``verl.trainer.ppo.core_algos.register_adv_est``.

    verl gives an estimator the rewards and the mask alone; the rest comes by ``current_scores``.
    """

    method: type[Method]

    @property
    def name(self) -> str:
        """In verl."""
        return verl_name(self.method.name)

    def build(self, algorithm: Mapping[str, Any] | None) -> Method:
        """The method with the hyper-parameters of a run.

        Args:
            algorithm: the section of that name of verl's config.

        Raises:
            ConfigError: one is unknown or impossible.
        """
        section = (algorithm or {}).get(PREFIX) or {}
        return _METHODS.build(self.method.name, dict(section))

    def __call__(
        self,
        token_level_rewards: Tensor,
        response_mask: Tensor,
        index: np.ndarray,
        config: Mapping[str, Any] | None = None,
        **_: object,
    ) -> tuple[Tensor, Tensor]:
        """Advantages and returns, each [B, T].

        Args:
            token_level_rewards: [B, T]; the sum along a response is its outcome.
            response_mask: [B, T]; rows without a token are verl's padding, and no member of any group.
            index: [B]; the same for all responses to a prompt.
            config: the section ``algorithm`` of verl's config.
        """
        method, scores = self.build(config), current_scores()
        self._check(scores.tensors)
        mask = response_mask.bool()
        batch = TokenBatch(
            response_mask=mask,
            group_ids=torch.from_numpy(np.unique(index, return_inverse=True)[1]).to(mask.device),
            outcome_rewards=token_level_rewards.float().sum(dim=-1),
            **{name: scores.tensors[name] for name in method.needs},
        )
        credit = assign_among(method, batch, mask.any(dim=1))
        scores.log.update({name: float(value) for name, value in credit.spread(mask).items()})
        return credit.advantages, method.returns(batch)

    def _check(self, tensors: Mapping[str, Tensor]) -> None:
        missing = sorted(self.method.needs - tensors.keys())
        if missing:
            raise ConfigError(
                f"algorithm.adv_estimator is {self.name!r}, which needs {', '.join(missing)}, and this trainer of verl "
                "hands none over: use trainer.use_v1=True, in processes that have spro's plug-in (spro doctor)"
            )


ESTIMATORS = {
    verl_name(name): Estimator(method) for name, method in METHODS.items() if not missing_in_verl(method.needs)
}
"""By their names in verl; of all methods whose tensors it computes."""
