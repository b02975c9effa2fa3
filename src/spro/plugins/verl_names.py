"""What verl calls our methods and tensors; read also where verl is not installed."""

from collections.abc import Set

PREFIX = "spro"

VERL_NAMES = {
    "old_log_probs": "old_log_probs",
    "ref_log_probs": "ref_log_prob",
    "values": "values",
    "token_ids": "responses",
}
"""Field of ``TokenBatch`` -> field of verl's batch. What a method needs beyond these, verl does not compute."""


def missing_in_verl(needs: Set[str]) -> frozenset[str]:
    """Of the fields of ``TokenBatch`` that a method needs, those that verl does not compute."""
    return frozenset(needs - VERL_NAMES.keys())


def verl_name(name: str) -> str:
    """What verl calls a method: ``spro``, ``spro_scaled``, and ``spro_rloo`` for ours, beside its own ``rloo``."""
    return name if name.startswith(PREFIX) else f"{PREFIX}_{name}"


def loss_mode(name: str) -> str:
    """What verl calls a surrogate: ``spro_ppo``."""
    return f"{PREFIX}_{name}"
