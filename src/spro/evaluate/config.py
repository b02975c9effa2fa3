"""The settings of ``spro eval``. What means the same as in a run has the same name, default and words."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from spro.config import VerifyConfig, VllmConfig
from spro.config.section import NonNegativeFloat, PositiveFloat, PositiveInt, Section

FREE = (
    "out",
    "path",
    "model.path",
    "model.device",
    "model.threads",
    "rollout.max_log_prob_diff",
    "verify.workers",
    "verify.max_unscored_share",
    "vllm",
)
"""Settings that a resumed evaluation may have other values of. Where model and data lie may change; what they hold is
looked at. On another device the same seed samples other answers. ``rollout.max_rows`` is not here: which responses are
decoded side by side changes what is drawn."""


class EvalModelConfig(Section):
    """Which model is evaluated, and on what."""

    path: str
    """MODEL of the command line: a folder or checkpoint of transformers with safetensors weights, a hub id, or
    ``builtin:chain``."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1``, or ``auto``: a GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the weights. ``auto`` is bfloat16 on a GPU that computes in it, and float32 elsewhere."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of torch."""


class EvalRolloutConfig(Section):
    """How answers are sampled, and by which engine."""

    engine: Literal["local", "vllm"] = "local"
    """``local``: the decode loop of the trainer. ``vllm``: faster on a GPU."""
    max_response_length: PositiveInt | None = None
    """Tokens, the stop token included; what does not end before is graded as far as it goes. Without it: 3072, or three
    quarters of the model's positions where that is less."""
    max_rows: PositiveInt = 256
    """Answers decoded side by side at most; bounds the memory of the KV cache."""
    max_log_prob_diff: PositiveFloat | None = None
    """As in a run: how far the log-probs of vLLM may be from those of the model as transformers computes it."""


class EvalConfig(Section):
    """What is asked, of which model, how often."""

    suite: str
    """``--suite`` of the command line."""
    path: str | None = None
    """The suite's data: a file, a folder or a hub id. Without it: the suite's own hub id."""
    model: EvalModelConfig
    samples: Annotated[int, Field(ge=1, le=65_536)] = 1
    """Sampled answers a problem, k of avg@k and the largest k of pass@k."""
    temperature: NonNegativeFloat = 0.0
    """Of the sampled answers. 0 samples none: there is the greedy answer alone."""
    greedy: bool = True
    """Whether each problem is answered greedily as well."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    max_problems: PositiveInt | None = None
    """Ask the first so many usable problems alone."""
    problems_at_once: PositiveInt = 64
    """Problems answered, graded and written together: what a stop can cost, and the unit of the seeds."""
    out: Path | None = None
    """The folder to write. Without it: ``evals/<model>-<suite>-<number>``, the next free number."""
    rollout: EvalRolloutConfig = EvalRolloutConfig()
    vllm: VllmConfig = VllmConfig()
    verify: VerifyConfig = VerifyConfig()

    @property
    def sampled(self) -> int:
        """Sampled answers a problem; none at temperature 0."""
        return self.samples if self.temperature > 0 else 0

    @property
    def answers(self) -> int:
        """Answers a problem, the greedy one included."""
        return self.sampled + self.greedy

    @model_validator(mode="after")
    def _samples_differ(self) -> "EvalConfig":
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                f"samples is {self.samples} and temperature 0, at which all of them would be the same: add "
                "temperature=1.0, or leave samples=1"
            )
        if self.answers == 0:
            raise ValueError("greedy is false and temperature 0, so nothing would be asked: set one of them")
        return self
