"""What TRL 1.16 and verl 0.9.1 call the metrics of a run; docs/naming.md says what each is.

A metric is here where the host logs the same quantity. What it has no name for, or another quantity under a like name
(tokens with prompts, differences of probabilities), keeps ours. TRL's are those of its reporters, which put ``train/``
before them.
"""

from collections.abc import Mapping
from typing import Literal

Names = Literal["spro", "trl", "verl"]

TRL: Mapping[str, str] = {
    "reward": "train/reward",
    "reward_std": "train/reward_std",
    "response_length/mean": "train/completions/mean_length",
    "response_length/max": "train/completions/max_length",
    "response_length/clip_ratio": "train/completions/clipped_ratio",
    "tools/call_frequency": "train/tools/call_frequency",
    "entropy": "train/entropy",
    "kl": "train/kl",
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "learning_rate": "train/learning_rate",
    "clip_fraction": "train/clip_ratio/region_mean",
    "rollout/log_prob_diff_mean": "train/sampling/sampling_logp_difference/mean",
    "rollout/log_prob_diff_max": "train/sampling/sampling_logp_difference/max",
    "rollout_is_weight": "train/sampling/importance_sampling_ratio/mean",
    "total_flos": "train/total_flos",
    "time/step_s": "train/step_time",
}
VERL: Mapping[str, str] = {
    "reward": "critic/score/mean",
    "entropy": "actor/entropy",
    "kl": "actor/kl_loss",
    "loss": "actor/loss",
    "grad_norm": "actor/grad_norm",
    "learning_rate": "actor/lr",
    "clip_fraction": "actor/pg_clipfrac",
    "critic/loss": "critic/vf_loss",
    "critic/explained_variance": "critic/vf_explained_var",
    "critic/clip_fraction": "critic/vf_clipfrac",
    "rollout_is_weight": "rollout_corr/rollout_is_mean",
    "time/step_s": "timing_s/step",
}
"""``response_length`` and ``critic/grad_norm`` are verl's names as they are."""


def renamed(metrics: Mapping[str, float | None], names: Names) -> dict[str, float]:
    """What was measured, under the names of a host."""
    return {_name(name, names): value for name, value in metrics.items() if value is not None}


def _name(name: str, names: Names) -> str:
    if names == "trl":
        # One a reward function.
        return TRL.get(name, f"train/{name}" if name.startswith("rewards/") else name)
    return VERL.get(name, name) if names == "verl" else name
