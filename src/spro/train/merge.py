"""``spro merge``: a LoRA checkpoint becomes a whole model, to begin another run from or to serve."""

import shutil
from pathlib import Path

from spro.errors import ModelError, RunFolderError
from spro.folders import check_absent
from spro.models import load_policy, restore_model, save_merged
from spro.settings import load_config
from spro.train.checkpoint import problem_with


def merge_command(checkpoint: Path, folder: Path) -> Path:
    """Write the model of ``checkpoint``, a ``step-N`` in its run folder, with the adapters in its weights.

    Raises:
        RunFolderError: it is no whole checkpoint of a run, or ``folder`` exists.
        ModelError: it holds a whole model already, or the model below the adapters has gone.
    """
    settings = checkpoint.resolve().parent.parent / "config.yaml"
    if not settings.is_file() or (problem := problem_with(checkpoint)):
        reason = problem if settings.is_file() else f"there is no {settings}"
        raise RunFolderError(f"{str(checkpoint)!r} is no whole checkpoint of a run: {reason}")
    check_absent(folder, "; choose another folder")
    config = load_config(settings, ())
    if config.model.lora is None:
        raise ModelError(f"{str(checkpoint)!r} was trained without model.lora: it is a whole model as it is")
    policy = load_policy(config.model.path, "cpu", config.model.dtype, config.model.lora, config.seed)
    restore_model(checkpoint, policy)
    aside = folder.with_name(f".writing-{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    save_merged(aside, policy)
    aside.rename(folder)
    return folder
