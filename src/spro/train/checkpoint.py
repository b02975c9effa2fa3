"""Checkpoints: ordinary model folders, complete or not there."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from spro import __version__
from spro.models import Policy


def save_checkpoint(folder: Path, policy: Policy, step: int) -> Path:
    """Write ``folder/step-N``: safetensors, JSON, the tokenizer; opens with plain transformers.

    It is written aside, flushed to the disk, listed in ``manifest.json`` with sizes and SHA-256, and then renamed. A
    killed run leaves a ``.writing-`` folder behind and never half a checkpoint.
    """
    final = folder / f"step-{step}"
    aside = folder / f".writing-step-{step}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    policy.model.save_pretrained(aside)
    policy.tokenizer.save_pretrained(aside)
    (aside / "spro.json").write_text(json.dumps({"step": step, "spro_version": __version__}))
    written = sorted(path for path in aside.rglob("*") if path.is_file())
    manifest = {path.relative_to(aside).as_posix(): _describe(path) for path in written}
    (aside / "manifest.json").write_text(json.dumps(manifest, indent=1))
    for path in (*aside.rglob("*"), aside):
        _flush(path)
    aside.rename(final)
    _flush(folder)
    return final


def newest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint of the highest step under ``folder``, if there is one."""
    found = [path for path in folder.glob("step-*") if (path / "manifest.json").is_file()]
    return max(found, key=lambda path: int(path.name.removeprefix("step-")), default=None)


def _describe(file: Path) -> dict[str, int | str]:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
