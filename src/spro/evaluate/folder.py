"""The folder of an evaluation: settings, samples, result. One process at a time writes into it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from spro.errors import RunFolderError
from spro.evaluate.config import EvalConfig
from spro.evaluate.facts import Identity, read_record
from spro.evaluate.samples import Sample, json_line, prompt_hash, read_samples
from spro.folders import check_absent, lock_folder, write_whole
from spro.settings import dump_config
from spro.tasks import Prompt

IDENTITY = "identity.json"
SUBJECTS = {
    "model": "the model's weights",
    "questions": "the problems",
    "template": "the chat template",
    "prompts": "the prompts",
}
"""What is compared when an evaluation goes on; the others are versions of packages."""


class EvalFolder:
    """One evaluation on the disk. Close it, or end the process, before another may write.

    ``samples.jsonl`` grows by whole chunks of problems: what a killed process wrote of one is cut off when the
    evaluation goes on, and sampled again.

    Args:
        config: of the evaluation; ``out`` must not exist yet, unless it is resumed.
        identity: of what is asked now.
        resume: whether it may exist.

    Raises:
        RunFolderError: the folder exists or cannot be made, another process is at work in it, or what it was begun with
            is not what is here.
        DataError: what it was begun with cannot be read.
    """

    def __init__(self, config: EvalConfig, identity: Identity, resume: bool = False) -> None:
        assert config.out is not None
        self.path, self.samples = config.out, config.out / "samples.jsonl"
        if not resume:
            check_free(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=resume)
            self._lock: int | None = lock_folder(self.path, "evaluates into the folder")
        except OSError as error:
            raise RunFolderError(f"cannot write into the folder {str(self.path)!r}: {error}") from error
        try:
            self._begin(config, identity)
        except BaseException:
            self.close()
            raise

    def _begin(self, config: EvalConfig, identity: Identity) -> None:
        place = self.path / IDENTITY
        if place.is_file():
            _check_same(read_record(Identity, place, "begin another evaluation"), identity)
        with _writing(self.path):
            # Settings first: a folder without them is none to go on with.
            write_whole(self.path / "config.yaml", dump_config(config))
            write_json(place, asdict(identity))
            self.samples.touch()

    def close(self) -> None:
        """Let another process write; twice does no harm."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def cut_back(self, chunks: Sequence[Sequence[Prompt]], answers: int) -> int:
        """Keep the whole chunks alone, and return their number.

        Args:
            chunks: the prompts of all of them, in order.
            answers: samples a prompt.

        Raises:
            RunFolderError: a line is not of the prompt that was asked in its place.
        """
        *written, half = self.samples.read_bytes().split(b"\n")
        lines, whole = 0, 0
        for chunk in chunks:
            if lines + len(chunk) * answers > len(written):
                break
            lines, whole = lines + len(chunk) * answers, whole + 1
        if half or lines < len(written):
            os.truncate(self.samples, sum(len(line) + 1 for line in written[:lines]))
        expected = [prompt for chunk in chunks[:whole] for prompt in chunk for _ in range(answers)]
        for number, (sample, prompt) in enumerate(zip(read_samples(self.samples), expected, strict=True), start=1):
            if (sample.problem_id, sample.prompt_hash) != (prompt.problem.problem_id, prompt_hash(prompt.token_ids)):
                raise RunFolderError(
                    f"{str(self.samples)!r} line {number} is of {sample.problem_id}, and the problem in its place is "
                    f"{prompt.problem.problem_id}: the file was changed; begin another evaluation"
                )
        return whole

    def append(self, samples: Sequence[Sample]) -> None:
        """Write a chunk; it is on the disk when this returns.

        Raises:
            RunFolderError: the disk is full, say; what was written before is whole.
        """
        with _writing(self.path), self.samples.open("a", encoding="utf-8") as file:
            file.write("".join(map(json_line, samples)))
            file.flush()
            os.fsync(file.fileno())


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a file in the folder of an evaluation, whole or not at all; raises as ``EvalFolder.append`` does."""
    with _writing(path.parent):
        write_whole(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunFolderError(
            f"cannot write into the folder {str(path)!r}: {error}; what was written before is whole: go on by --resume"
        ) from error


def check_free(path: Path) -> None:
    """Refuse a folder that exists, before hours go into an evaluation that could not be written."""
    check_absent(path, "; go on with it by --resume, choose another with out=... or move it")


def _check_same(begun: Identity, now: Identity) -> None:
    for key, value in asdict(now).items():
        before = getattr(begun, key)
        if before != value:
            subject = SUBJECTS.get(key, f"the version of {key}")
            versions = "" if key in SUBJECTS else f" ({before or 'none'} then, {value or 'none'} now)"
            raise RunFolderError(
                f"cannot go on: {subject} changed since the evaluation was begun{versions}; put back what there was, "
                "or begin another evaluation"
            )
