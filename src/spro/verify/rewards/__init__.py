"""Reward functions of form and length, with TRL's signature, to be used by name or put together.

    def reward(prompts, completions, completion_ids, **columns) -> list[float | None]

``reward.functions`` of a config names them by path (``spro.verify.rewards.boxed_format``), weighs and adds them; in
code, ``WeightedSum`` and ``Product`` do. They work as ``reward_funcs`` of TRL's trainers as they are. Every one is
linear in the length of the responses.
"""

from spro.verify.rewards.combine import Product, WeightedSum
from spro.verify.rewards.completions import Completion, Completions, Rewards
from spro.verify.rewards.form import TagFormat, boxed_format, code_format, think_format
from spro.verify.rewards.length import CosineLength, NGramRepetition, ShorterInGroup
from spro.verify.rewards.verdicts import code_reward, math_reward

__all__ = [
    "Completion",
    "Completions",
    "CosineLength",
    "NGramRepetition",
    "Product",
    "Rewards",
    "ShorterInGroup",
    "TagFormat",
    "WeightedSum",
    "boxed_format",
    "code_format",
    "code_reward",
    "math_reward",
    "think_format",
]
