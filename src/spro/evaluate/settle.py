"""From the words of ``spro eval`` to its settings, and from those to a run's, which the trainer's parts read."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from spro.config import ChainTask, Config, ModelConfig, RolloutConfig
from spro.errors import ConfigError
from spro.evaluate.config import FREE, EvalConfig
from spro.folders import next_numbered
from spro.settings import check_settings, load_settings, nearest
from spro.tasks import SUITES
from spro.train.resume import check_unchanged

RESPONSE_LENGTH = 3072
"""Tokens of a response where nothing else is said: the paper's."""


def settle(model: str, suite: str | None, words: Sequence[str], resume: bool = False) -> EvalConfig:
    """The settings of an evaluation, its folder chosen.

    Args:
        model: MODEL of the command line.
        suite: of the command line; a resumed evaluation has one already.
        words: ``key=value``.
        resume: go on with the evaluation in ``out``, whose settings are those that no word names.

    Raises:
        ConfigError: a word is wrong or sets the model, there is no such suite, or a setting that an evaluation to go on
            with was not begun with and that is not one of ``FREE``.
    """
    for word in words:
        if word.partition("=")[0] in ("suite", "model.path"):
            raise ConfigError(f"cannot set {word!r}: the model stands behind 'spro eval', the suite behind --suite")
    begun = _begun(words) if resume else None
    settings: dict[str, Any] = {} if begun is None else begun.model_dump(mode="json")
    settings["model"] = {**settings.get("model", {}), "path": model}
    settings["suite"] = suite or settings.get("suite")
    if settings["suite"] is None:
        raise ConfigError(f"which suite? add --suite NAME; known: {', '.join(SUITES)}")
    config = check_settings(EvalConfig, "the command line", settings, words)
    if config.model.path != model:
        raise ConfigError(
            f"a setting makes the model {config.model.path!r}: it stands behind 'spro eval', where it is {model!r}"
        )
    if config.suite not in SUITES:
        raise ConfigError(f"unknown suite {config.suite!r}; {nearest(config.suite, SUITES)}")
    if begun is not None:
        check_unchanged(begun, config, FREE, "evaluation")
    return config if config.out is not None else config.model_copy(update={"out": _next_folder(config)})


class _Place(BaseModel):
    """The one setting that says which evaluation to go on with; the others are read on top of its own."""

    out: Path | None = None


def _begun(words: Sequence[str]) -> EvalConfig | None:
    """The settings of the evaluation to go on with; None where ``out`` does not exist yet."""
    out = check_settings(_Place, "the command line", {}, words).out
    if out is None:
        raise ConfigError("--resume needs the folder to go on with: add out=...")
    if (out / "config.yaml").is_file():
        return load_settings(EvalConfig, out / "config.yaml", ())
    if out.exists() and any(not path.name.startswith(".") for path in out.iterdir()):
        raise ConfigError(f"cannot go on with {str(out)!r}: it is no evaluation, it has no config.yaml")
    return None


def _next_folder(config: EvalConfig) -> Path:
    return next_numbered(Path("evals"), f"{_name(config.model.path)}-{config.suite}")


def _name(model: str) -> str:
    """``step-70`` of ``runs/chain-spro-001/checkpoints/step-70`` alone would say nothing."""
    *above, last = Path(model).parts
    parts = [above[-2], last] if len(above) > 1 and above[-1] == "checkpoints" else [last]
    return re.sub(r"[^\w.-]+", "-", "-".join(parts)).strip("-.") or "model"


def as_run(config: EvalConfig, max_response_length: int, max_prompt_length: int = 1) -> Config:
    """The settings that the trainer's parts read: prompts, engine, verifiers and sandbox are those of a run."""
    model, rollout = config.model, config.rollout
    return Config(
        seed=config.seed,
        model=ModelConfig(path=model.path, device=model.device, dtype=model.dtype, threads=model.threads),
        # The problems come from the suite: nothing of a task is read.
        task=ChainTask(type="chain"),
        rollout=RolloutConfig(
            engine=rollout.engine,
            temperature=config.temperature or 1.0,
            max_prompt_length=max_prompt_length,
            max_response_length=max_response_length,
            max_rows=rollout.max_rows,
            max_log_prob_diff=rollout.max_log_prob_diff,
        ),
        vllm=config.vllm,
        verify=config.verify,
    )


def response_length(config: EvalConfig, positions: int | None) -> int:
    """Tokens that a response may have, for a model of so many positions (None: no limit).

    Raises:
        ConfigError: the model has no position left for a prompt.
    """
    wanted = config.rollout.max_response_length
    if wanted is None:
        return RESPONSE_LENGTH if positions is None else min(RESPONSE_LENGTH, max(1, positions * 3 // 4))
    if positions is not None and wanted >= positions:
        raise ConfigError(
            f"rollout.max_response_length is {wanted}, and the model has {positions} positions for prompt and response "
            "together: lower it"
        )
    return wanted
