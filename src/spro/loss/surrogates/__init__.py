"""Surrogates by name; to add one, write its file in this folder and its line here."""

from spro.loss.surrogate import Surrogate
from spro.loss.surrogates.cispo import CISPO
from spro.loss.surrogates.dual_clip import DualClip
from spro.loss.surrogates.gspo import GSPO
from spro.loss.surrogates.ppo import PPOClip

SURROGATES: dict[str, type[Surrogate]] = {surrogate.name: surrogate for surrogate in (PPOClip, DualClip, GSPO, CISPO)}

__all__ = ["CISPO", "GSPO", "SURROGATES", "DualClip", "PPOClip"]
