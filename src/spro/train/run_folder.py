"""The run folder: settings, metrics, samples, checkpoints. What the report reads is written here."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerBase

from spro.config import Config
from spro.credit import Credit
from spro.errors import RunFolderError
from spro.folders import check_absent, lock_folder, write_whole
from spro.settings import dump_config, next_run_dir
from spro.train.checkpoint import Checkpoints
from spro.train.experience import Experience
from spro.train.group import Group, Unscored
from spro.train.metrics import Metrics

UNSCORED_AT_ONCE = 8


class RunFolder:
    """One run on the disk, of which one process at a time writes.

    Close it, or end the process, before another may write.

    Args:
        path: must not exist yet, unless the run is resumed.
        config: the resolved settings.
        resume: whether it may exist.

    Raises:
        RunFolderError: the folder exists or cannot be made, or another process is at work in it.
    """

    def __init__(self, path: Path, config: Config, resume: bool = False) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path / "checkpoints", config.log.keep_checkpoints)
        self.rollouts = path / "rollouts"
        self.skipped_batch = path / "skipped_batch.safetensors"
        if not resume:
            check_free(path)
        try:
            path.mkdir(parents=True, exist_ok=resume)
            self._lock: int | None = lock_folder(path, "trains in the run folder")
            # First of all: a folder without settings is none to go on with.
            write_whole(path / "config.yaml", dump_config(config))
            self.rollouts.mkdir(exist_ok=resume)
        except OSError as error:
            raise RunFolderError(f"cannot write into the run folder {str(path)!r}: {error}") from error

    def close(self) -> None:
        """Let another process write; twice does no harm."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def begin_anew(self, say: Callable[[str], None]) -> None:
        """Forget what a run logged that was ended before its first checkpoint.

        Raises:
            RunFolderError: there were checkpoints, of which none is whole; nothing is forgotten then.
        """
        if self.checkpoints.broken():
            raise RunFolderError(
                f"no checkpoint in {str(self.checkpoints.folder)!r} is whole; those that are not are put aside as "
                ".broken-step-N. Put a whole one there, or begin another run"
            )
        if (self.path / "metrics.jsonl").exists():
            say(f"there is no checkpoint in {self.path} yet: it begins anew")
        self.cut_back(-1, -1)

    def cut_back(self, step: int, measured: int) -> None:
        """Forget what a run logged that goes on from an earlier state, and will log it again.

        Args:
            step: trained.
            measured: the last step whose metrics are part of that state; one less where they are pending.
        """
        for name, last in (("metrics.jsonl", measured), ("unscored.jsonl", step)):
            path = self.path / name
            if path.exists():
                kept = [line for line in path.read_text("utf-8").splitlines(keepends=True) if _is_up_to(line, last)]
                write_whole(path, "".join(kept))
        for path in self.rollouts.glob("step-*.jsonl"):
            if int(path.stem.removeprefix("step-")) > step:
                path.unlink()

    def log_metrics(self, step: int, metrics: Metrics) -> None:
        """Append one line to ``metrics.jsonl``."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")

    def logged(self) -> list[tuple[int, Metrics]]:
        """Step and metrics of every line of ``metrics.jsonl``."""
        path = self.path / "metrics.jsonl"
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
        return [(line.pop("step"), line) for line in lines]

    def log_rollouts(
        self,
        step: int,
        groups: Sequence[Group],
        experience: Experience,
        credit: Credit,
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        """Write the responses of a step's first groups, each token with its credit, to ``rollouts/step-N.jsonl``."""
        rows = sum(len(group.responses) for group in groups)
        tensors = {"advantages": credit.advantages}
        tensors |= {f"terms/{name}": values for name, values in credit.terms.items()}
        for name in ("old_log_probs", "ref_log_probs"):
            values = getattr(experience.batch, name)
            if values is not None:
                tensors[name] = values
        columns = {name: values[:rows].tolist() for name, values in tensors.items()}
        members = [(number, i) for number, group in enumerate(groups) for i in range(len(group.responses))]
        with (self.rollouts / f"step-{step:06d}.jsonl").open("w", encoding="utf-8") as file:
            for row, (number, i) in enumerate(members):
                length = len(groups[number].responses[i].token_ids)
                per_token = {name: values[row][:length] for name, values in columns.items()}
                sample = {"step": step, "group": number, **_sample(groups[number], i, per_token, tokenizer)}
                file.write(json.dumps(sample) + "\n")

    def keep_batch(self, step: int, experience: Experience, credit: Credit) -> Path:
        """Write the tensors of a step whose update was skipped, in place of those of an earlier one."""
        sequences = experience.sequences
        tensors = {name: tensor for name, tensor in vars(experience.batch).items() if tensor is not None}
        tensors |= {
            # Of prompt and response, where the batch has at most the response.
            "token_ids": sequences.rectangle(credit.advantages.device),
            "prompt_lengths": torch.tensor([len(prompt) for prompt in sequences.prompts]),
            "advantages": credit.advantages,
            "rollout_log_probs": experience.rollout_log_probs,
        }
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, self.skipped_batch, metadata={"step": str(step)})
        return self.skipped_batch

    def log_unscored(self, step: int, unscored: Sequence[Unscored]) -> None:
        """Append the first of a step's answers that could not be graded to ``unscored.jsonl``."""
        if not unscored:
            return
        with (self.path / "unscored.jsonl").open("a", encoding="utf-8") as file:
            for answer in unscored[:UNSCORED_AT_ONCE]:
                line = {"step": step, "problem_id": answer.problem_id, "response": answer.text, "detail": answer.detail}
                file.write(json.dumps(line) + "\n")


def _sample(
    group: Group, i: int, per_token: Mapping[str, list[float]], tokenizer: PreTrainedTokenizerBase
) -> dict[str, object]:
    """One response as a line of the samples file."""
    response, verdict, problem = group.responses[i], group.verdicts[i], group.prompt.problem
    return {
        "problem_id": problem.problem_id,
        "prompt": tokenizer.decode(group.prompt.token_ids),
        "ground_truth": problem.ground_truth,
        "response": group.texts[i],
        "verdict": asdict(verdict),
        "reward": group.judged[i].reward,
        "reward_parts": dict(group.judged[i].parts),
        "finish_reason": response.finish_reason,
        "tokens": [tokenizer.decode([token_id]) for token_id in response.token_ids],
        "response_mask": response.response_mask,
        "advantages": per_token["advantages"],
        "terms": {name.removeprefix("terms/"): v for name, v in per_token.items() if name.startswith("terms/")},
        "old_log_probs": per_token.get("old_log_probs"),
        "ref_log_probs": per_token.get("ref_log_probs"),
    }


def check_free(path: Path) -> None:
    """Refuse a run folder that exists, before hours go into a run that could not be written."""
    check_absent(path, "; go on with it by --resume, choose another with run_dir=... or move it", "the run folder")


def _is_up_to(line: str, step: int) -> bool:
    """Whether a line was logged at or before a step; what a killed process wrote half is behind it."""
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False


def pick_run_dir(config: Config) -> Path:
    """``config.run_dir``, or the next free numbered folder under ``runs/``."""
    return next_run_dir(config) if config.run_dir is None else config.run_dir
