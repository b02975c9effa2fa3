"""How responses are sampled, and by which engine."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from spro.config.section import PositiveFloat, PositiveInt, Section


class RolloutConfig(Section):
    """How responses are sampled."""

    engine: Literal["local", "vllm"] = "local"
    """``local``: the decode loop over the very weights that are trained. ``vllm``: faster on a GPU; holds a copy of the
    weights, which is renewed before each rollout."""
    group_size: Annotated[int, Field(ge=2)] = 4
    """Responses a prompt. A group of one has nothing to be compared with."""
    temperature: PositiveFloat = 1.0
    top_p: float = 1.0
    """Must stay 1: see ``_whole_distribution``."""
    top_k: int = 0
    """Must stay 0: see ``_whole_distribution``."""
    max_prompt_length: PositiveInt = 1024
    """Tokens; longer prompts are skipped and counted."""
    max_response_length: PositiveInt = 3072
    """Tokens, the stop token included."""
    max_rows: PositiveInt = 256
    """Responses decoded side by side at most; bounds the memory of the KV cache."""
    max_log_prob_diff: PositiveFloat | None = None
    """Of the canary, in nats: after each push a few responses are sampled, and the run ends if the engine's log-probs
    differ from the trainer's by more than this in the mean over their tokens. Without it: 0.001 for weights in
    float32, where vLLM was seen to differ by 3e-6, and 0.1 for bfloat16, whose rounding alone made up to 0.07 in tiny
    random models, whose distributions are flat."""

    @field_validator("top_p", "top_k")
    @classmethod
    def _whole_distribution(cls, value: float, info: ValidationInfo) -> float:
        """The trainer's log-probs are of the whole distribution: tokens drawn from a part of it bias the ratio."""
        off = cls.model_fields[str(info.field_name)].default
        if value != off:
            raise ValueError(
                f"{value:g} samples from a part of the distribution, and the trainer's log-probs are of the whole: "
                f"leave it at {off:g} and lower rollout.temperature instead"
            )
        return value

    def log_prob_limit(self, dtype: str) -> float:
        """``max_log_prob_diff`` or its default for weights of a type such as ``float32``."""
        if self.max_log_prob_diff is not None:
            return self.max_log_prob_diff
        return 1e-3 if dtype == "float32" else 0.1


class VllmConfig(Section):
    """vLLM beside the trainer, in its process and on its device. Read with ``rollout.engine: vllm`` alone.

    ``rollout`` says the rest: ``max_rows`` sequences at once, of ``max_prompt_length`` and ``max_response_length``.
    """

    gpu_memory_utilization: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the GPU's memory for vLLM's weights and KV cache; the trainer needs the rest."""
    cpu_kv_cache_gib: PositiveFloat = 4.0
    """Size of the KV cache where there is no GPU."""
    enforce_eager: bool | None = None
    """Run without CUDA graphs: starts sooner and needs less memory, and decodes slower. Without it: on a CPU alone."""
