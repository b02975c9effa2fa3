"""What the trainer refuses: settings that would be ignored, and methods whose tensors TRL cannot give."""

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from spro.credit import Method
from spro.errors import ConfigError
from spro.plugins.hosts import TRL
from spro.plugins.trl.filter import AccuracyFilter

GIVEN = frozenset({"old_log_probs", "ref_log_probs", "token_ids"})
"""The optional tensors of a ``TokenBatch`` that can be had from a step of TRL."""

_NOT_GIVEN = {
    "values": "it trains no critic",
    "prm_log_probs": "it trains no reward model beside the policy",
    "greedy_rewards": "it writes no greedy response",
    "step_ids": "it does not cut responses into steps",
    "step_rewards": "it has no judge of steps",
    "step_values": "it does not roll out from within a response",
    "step_mask": "it does not cut responses into steps",
}

LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "luspo", "sapo")
"""Those in which each token's advantage was seen to act on its own token."""


_WHOLE = "log-probs are of the whole distribution, and tokens drawn from a part of it would pass for process reward"
_REFUSED_UNLESS: dict[str, tuple[Any, str]] = {
    "scale_rewards": (
        "group",
        "the credit method scales, so choose one (METHODS['dr_grpo']() divides by no deviation)",
    ),
    "multi_objective_aggregation": ("sum_then_normalize", "the credit method is given the weighted sum of the rewards"),
    "off_policy_mask_threshold": (None, "it keeps or drops a whole response by the sign of its one advantage"),
    "sync_ref_model": (False, "the reference stays the initial policy"),
    "top_p": (1.0, _WHOLE),
    "top_k": (0, _WHOLE),
    "min_p": (None, _WHOLE),
    "use_liger_kernel": (False, "it changes the policy's layers behind the reference's back"),
}
"""Setting -> the one value that is taken, and why no other is."""


def warn_of_version() -> None:
    """Name a TRL that nobody tried with this trainer; it may work."""
    if doubt := TRL.doubt():
        warnings.warn(doubt, stacklevel=3)


def check_method(method: Method) -> None:
    """Refuse a method that reads what TRL does not have.

    Raises:
        ConfigError: names the method, the tensors and why they are missing.
    """
    if not isinstance(method, Method):
        raise ConfigError(f"credit is {method!r}; give a credit method, such as spro.credit.SPRO()")
    missing = sorted(method.needs - GIVEN)
    if missing:
        why = "; ".join(f"{name}: {_NOT_GIVEN[name]}" for name in missing)
        raise ConfigError(f"the credit method {method.name!r} needs what TRL cannot give ({why}); train it with spro")


def check_filter_kind(accuracy_filter: object) -> None:
    """Refuse what is no filter.

    Raises:
        ConfigError: one line.
    """
    if not isinstance(accuracy_filter, AccuracyFilter | None):
        raise ConfigError(f"accuracy_filter is {accuracy_filter!r}; give an AccuracyFilter(), or leave it out")


def check_settings(config: Any) -> None:
    """Refuse settings that would have no effect, or another one than they have in ``GRPOTrainer``.

    Args:
        config: a ``GRPOConfig``.

    Raises:
        ConfigError: one line.
    """
    if config.loss_type not in LOSS_TYPES:
        raise ConfigError(
            f"loss_type={config.loss_type!r} is not tested with an advantage a token; give one of {list(LOSS_TYPES)}"
        )
    for name, (only, why) in _REFUSED_UNLESS.items():
        value = getattr(config, name)
        if value != only:
            raise ConfigError(f"{name}={value!r} has no place in SPROTrainer: {why}; leave it at {only!r}")


def check_dropout(model: nn.Module) -> None:
    """Refuse dropout: TRL reads log-probs in training mode, and noise would be taken for what the policy learned.

    Raises:
        ConfigError: names the first module with dropout.
    """
    name = next(_with_dropout(model), None)
    if name is not None:
        raise ConfigError(
            f"{name} has dropout, which would pass for process reward: set disable_dropout=True in GRPOConfig, and "
            "attention_dropout=0 in the model's config"
        )


def _with_dropout(model: nn.Module) -> Iterator[str]:
    for name, module in model.named_modules():
        share = module.p if isinstance(module, nn.Dropout) else getattr(module, "attention_dropout", 0.0)
        if isinstance(share, float | int) and share > 0:
            yield name


def check_rewards(rewards: torch.Tensor, names: list[str]) -> None:
    """Refuse an infinite reward; NaN is TRL's word for none.

    Args:
        rewards: [B, F].
        names: of the F functions.

    Raises:
        ConfigError: names the function.
    """
    endless = rewards.isinf().any(dim=0).tolist()
    if any(endless):
        raise ConfigError(f"the reward function {names[endless.index(True)]!r} gave an infinite reward; mend it")
