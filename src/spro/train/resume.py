"""Going on with a run: its settings, and which of them may have changed since it began."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from spro.config import Config
from spro.errors import ConfigError
from spro.folders import LOCK, WRITING
from spro.settings import load_config
from spro.train.setup import resolve

FREE = (
    "run_dir",
    "evaluate",
    "log",
    "watch",
    "verify.workers",
    "verify.timeout_s",
    "train.steps",
    "train.max_skipped_updates",
    "train.micro_batch_tokens",
    "model.path",
    "task.path",
    "task.held_out_path",
    "model.device",
    "model.threads",
    "model.gradient_checkpointing",
    "rollout.max_rows",
    "vllm",
)
"""Settings that a resumed run may have other values of: how long it goes on, what it tells, what it costs.

Where the first model and its data lie may change too; what they hold is looked at. Of these ``train.steps`` changes
what is learned, by the decay of the learning rate, and ``rollout.max_rows`` what is sampled.
"""


def load_resumed(path: Path | None, overrides: Sequence[str]) -> Config:
    """The settings of a run to go on with; those of a new one where ``run_dir`` does not exist yet.

    Without a file they are the run folder's own, with ``overrides``.

    Raises:
        ConfigError: no ``run_dir`` is given, or a setting is not what the run was begun with and not one of ``FREE``.
    """
    named = [word.removeprefix("run_dir=") for word in overrides if word.startswith("run_dir=")]
    own = Path(named[-1]) / "config.yaml" if named else None
    if path is None and own is not None and own.is_file():
        path = own
    says_what = any(word.startswith(("task.", "model.", "credit.")) for word in overrides)
    if path is None and named and not says_what and not Path(named[-1]).exists():
        raise ConfigError(
            f"there is no run in {named[-1]!r} to go on with; to begin one there, give a CONFIG.yaml, a task.type "
            "or a credit.type"
        )
    config = load_config(path, overrides)
    if config.run_dir is None:
        raise ConfigError("--resume needs the run folder to go on with: add run_dir=...")
    begun = config.run_dir / "config.yaml"
    if begun.is_file():
        # Resolved: what a file leaves out of method or surrogate is its default, which the run folder has written out.
        check_unchanged(resolve(load_config(begun, ())), resolve(config), FREE, "run")
    elif config.run_dir.exists() and not _is_barely_begun(config.run_dir):
        raise ConfigError(f"cannot go on with {str(config.run_dir)!r}: it is no run folder, it has no config.yaml")
    return config


def _is_barely_begun(run_dir: Path) -> bool:
    """Whether a folder is empty, or of a run that was ended before it had written its settings."""
    if not run_dir.is_dir():
        return False
    return all(path.name == LOCK or path.name.startswith(f"{WRITING}config.yaml") for path in run_dir.iterdir())


def check_unchanged(begun: BaseModel, config: BaseModel, free: Collection[str], what: str) -> None:
    """Refuse to go on with other settings than a run, or ``what`` else, was begun with, but for those that are free.

    Raises:
        ConfigError: a setting differs; names it and both values.
    """
    before, now = (dict(_leaves(one.model_dump(mode="json"))) for one in (begun, config))
    # Another type explains its other keys, so it is told first.
    for key in sorted(before.keys() | now.keys(), key=lambda key: (not key.endswith(".type"), key)):
        if before.get(key) != now.get(key) and not _is_within(key, free):
            raise ConfigError(
                f"cannot go on: {key} is {now.get(key)}, and the {what} was begun with {before.get(key)}; set it back, "
                f"or begin another {what}"
            )


def _is_within(key: str, sections: Collection[str]) -> bool:
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
