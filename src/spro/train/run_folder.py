"""The run folder: settings, metrics, samples, checkpoints. What the report reads is written here."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from spro.config import Config
from spro.credit import Credit
from spro.errors import RunFolderError
from spro.settings import dump_config
from spro.train.experience import Experience
from spro.train.group import Group, Unscored
from spro.train.metrics import Metrics

UNSCORED_AT_ONCE = 8


class RunFolder:
    """One run on the disk.

    Args:
        path: must not exist yet.
        config: the resolved settings.

    Raises:
        RunFolderError: the folder exists or cannot be made.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.rollouts = path / "rollouts"
        check_free(path)
        try:
            self.rollouts.mkdir(parents=True)
            (path / "config.yaml").write_text(dump_config(config), "utf-8")
        except OSError as error:
            raise RunFolderError(f"cannot make the run folder {str(path)!r}: {error}") from error

    def log_metrics(self, step: int, metrics: Metrics) -> None:
        """Append one line to ``metrics.jsonl``."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")

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
        "verdict": {
            "score": verdict.score,
            "status": verdict.status,
            "extracted": verdict.extracted,
            "detail": verdict.detail,
        },
        "reward": group.judged[i].reward,
        "reward_parts": dict(group.judged[i].parts),
        "finish_reason": response.finish_reason,
        "tokens": [tokenizer.decode([token_id]) for token_id in response.token_ids],
        "advantages": per_token["advantages"],
        "terms": {name.removeprefix("terms/"): v for name, v in per_token.items() if name.startswith("terms/")},
        "old_log_probs": per_token.get("old_log_probs"),
        "ref_log_probs": per_token.get("ref_log_probs"),
    }


def check_free(path: Path) -> None:
    """Refuse a run folder that exists, before hours go into a run that could not be written."""
    if path.exists():
        raise RunFolderError(f"the run folder {str(path)!r} exists already; choose another with run_dir=... or move it")


def pick_run_dir(config: Config) -> Path:
    """``config.run_dir``, or the next free numbered folder under ``runs/``."""
    if config.run_dir is not None:
        return config.run_dir
    names = (Path("runs") / f"{config.task.type}-{config.credit.type}-{number:03d}" for number in count(1))
    return next(path for path in names if not path.exists())
