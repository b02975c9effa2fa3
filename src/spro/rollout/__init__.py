"""Who speaks: the engine protocol and the engines."""

from spro.rollout.embedded import EmbeddedEngine
from spro.rollout.engine import Engine, FinishReason, Response, Sampling

__all__ = ["EmbeddedEngine", "Engine", "FinishReason", "Response", "Sampling"]
