"""Who samples for a run, and how the policy gets there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from spro.config import Config
from spro.errors import ConfigError
from spro.loss import NoCorrection, RolloutCorrection, TruncatedImportance
from spro.models import Policy, exported_weights
from spro.rollout import EmbeddedEngine, Engine, ToolEngine, VllmEngine
from spro.tasks import Prompt, Tool
from spro.train.canary import Canary
from spro.train.interrupt import StopRequest
from spro.train.metrics import Metrics

VLLM_IS_CAP = 2.0
"""Default of ``loss.rollout_is_cap`` for an engine of its own numerics; verl's and TRL's too."""


@dataclass(frozen=True)
class Speaker:
    """An engine and what belongs to it.

    Attributes:
        engine: samples.
        push: gives it the policy as it is behind a step; returns what there is to log.
        correction: for how far its log-probs are from the trainer's.
        close: gives back what it holds.
    """

    engine: Engine
    push: Callable[[int], Metrics]
    correction: RolloutCorrection
    close: Callable[[], None]


def build_speaker(
    config: Config, policy: Policy, tool: Tool | None, prompts: Sequence[Prompt], stop: StopRequest
) -> Speaker:
    """The engine that the settings name, with the task's tool in reach.

    Raises:
        ConfigError: the engine is not installed, or the tokenizer cannot write what the tool says.
    """
    if config.rollout.engine == "vllm":
        return _vllm(config, policy, tool, prompts, stop)
    engine = EmbeddedEngine(
        policy.model, policy.stop_token_ids, policy.pad_token_id, config.rollout.max_rows, stop.check
    )
    cap = config.loss.rollout_is_cap
    correction = NoCorrection() if cap is None else TruncatedImportance(cap)
    return Speaker(_with_tool(engine, tool, policy), _push_alone(engine), correction, lambda: None)


def _vllm(config: Config, policy: Policy, tool: Tool | None, prompts: Sequence[Prompt], stop: StopRequest) -> Speaker:
    rollout, model = config.rollout, policy.model
    if model.device.index:
        raise ConfigError(
            f"model.device is {model.device}, and vLLM takes the first GPU that it sees: set "
            f"CUDA_VISIBLE_DEVICES={model.device.index} and model.device=cuda"
        )
    engine = VllmEngine(
        policy.base_path,
        partial(exported_weights, model),
        policy.stop_token_ids,
        model.dtype,
        rollout,
        config.vllm,
        stop.check,
    )
    limit = rollout.log_prob_limit(str(model.dtype).removeprefix("torch."))
    # The first prompt, bare of tools: it is the weights that are looked at.
    canary = Canary(engine, model, prompts[0].token_ids, policy.pad_token_id, rollout.temperature, limit)

    @lru_cache(maxsize=1)
    def push(version: int) -> Metrics:
        # Asked for before each rollout and each evaluation; a version that is there already is not pushed again.
        engine.push(version)
        reading = canary(version)
        return {
            "rollout/canary_diff_mean": reading.mean_log_prob_diff,
            "rollout/canary_diff_max": reading.max_log_prob_diff,
        }

    correction = TruncatedImportance(config.loss.rollout_is_cap or VLLM_IS_CAP)
    return Speaker(_with_tool(engine, tool, policy), push, correction, engine.close)


def _push_alone(engine: Engine) -> Callable[[int], Metrics]:
    def push(version: int) -> Metrics:
        engine.push(version)
        return {}

    return push


def _with_tool(engine: Engine, tool: Tool | None, policy: Policy) -> Engine:
    if tool is None:
        return engine
    return ToolEngine(engine, tool, policy.tokenizer, getattr(policy.model.config, "max_position_embeddings", None))
