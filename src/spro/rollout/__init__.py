"""Who speaks: the engine protocol and the engines."""

from spro.rollout.embedded import EmbeddedEngine
from spro.rollout.engine import Engine, FinishReason, Response, Sampling
from spro.rollout.tools import ToolEngine
from spro.rollout.vllm import VllmEngine, vllm_version

__all__ = [
    "EmbeddedEngine",
    "Engine",
    "FinishReason",
    "Response",
    "Sampling",
    "ToolEngine",
    "VllmEngine",
    "vllm_version",
]
