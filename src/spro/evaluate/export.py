"""A suite as a task of lm-eval 0.4.13, for a second opinion: another harness, the same prompts and grades.

https://github.com/EleutherAI/lm-evaluation-harness
"""

import json
import shlex
from pathlib import Path
from string import Template
from typing import Any

import yaml

from spro.errors import ConfigError
from spro.evaluate.bench import Asked, ask, load_model
from spro.evaluate.config import EvalConfig
from spro.evaluate.settle import as_run
from spro.folders import begun_folder, check_absent
from spro.models import Policy
from spro.tasks import SUITES, Problem
from spro.train.grading import Grading

GRADE = Template('''"""Grades answers as spro does, which has to be installed beside lm-eval; written by spro eval."""

from spro.verify import verify_chain, verify_math


def process_results(doc, results):
    """The score of one answer; one that could not be graded is left out, and never wrong."""
    if doc["verifier"] == "chain":
        verdict = verify_chain(results[0], doc["ground_truth"])
    else:
        verdict = verify_math(results[0], doc["ground_truth"], boxes="$boxes")
    return {} if verdict.score is None else {"correct": verdict.score}
''')
VERIFIERS = ("math", "chain")
"""What the module above grades."""


def export_task(config: EvalConfig) -> str:
    """Write the folder of a task, and return the command that runs it.

    The folder holds ``spro_<suite>.yaml``, the problems as JSON lines, the module that grades, and ``run.sh``.

    Raises:
        ConfigError: lm-eval cannot grade the suite as spro does, or cannot ask what it asks.
        UserError: see ``load_model`` and ``ask``.
    """
    assert config.out is not None
    check_absent(config.out)
    _check_exportable(config)
    policy, limit = load_model(config)
    with Grading(as_run(config, limit)) as grading:
        asked = ask(config, policy, limit, grading)
    name = f"spro_{config.suite}"
    place = config.out.absolute()
    files = {
        "problems.jsonl": "".join(json.dumps(_row(prompt.problem, policy)) + "\n" for prompt in asked.prompts),
        f"{name}.yaml": _task(name, place / "problems.jsonl", limit),
        "grade.py": GRADE.substitute(boxes=config.verify.math.boxes),
        "run.sh": _command(config, policy, name, place) + "\n",
    }
    with begun_folder(config.out) as folder:
        for file, text in files.items():
            (folder / file).write_text(text, "utf-8")
    return "\n".join([*_told(asked, config.out), files["run.sh"].rstrip()])


def _check_exportable(config: EvalConfig) -> None:
    if SUITES[config.suite].tool is not None:
        raise ConfigError(f"cannot export the suite {config.suite!r}: lm-eval has no tools")
    if config.verify.function is not None:
        raise ConfigError(
            f"cannot export with verify.function {config.verify.function.path!r}: the task grades by the verifiers of "
            "spro; leave it out"
        )
    if config.temperature > 0:
        raise ConfigError(
            f"cannot export samples={config.samples} at temperature {config.temperature:g}: the task asks for one "
            "greedy answer a problem; leave out samples, temperature and greedy"
        )


def _row(problem: Problem, policy: Policy) -> dict[str, str]:
    """One line of the problems: what lm-eval asks, as system and user message or, without a template, as one text."""
    if problem.verifier not in VERIFIERS:
        raise ConfigError(
            f"cannot export a suite with the verifier {problem.verifier!r} ({problem.problem_id}): lm-eval would run "
            "the model's programs without a sandbox"
        )
    *before, last = problem.messages
    roles = [message["role"] for message in problem.messages]
    system = before[0]["content"] if before else ""
    prompt = last["content"]
    if policy.tokenizer.chat_template is None:
        system, prompt = "", "\n\n".join(message["content"] for message in problem.messages)
    elif roles not in (["user"], ["system", "user"]):
        raise ConfigError(
            f"cannot export {problem.problem_id}: its messages are {', '.join(roles)}, and lm-eval asks with one "
            "system and one user message"
        )
    return {
        "problem_id": problem.problem_id,
        "data_source": problem.data_source,
        "system": system,
        "prompt": prompt,
        "ground_truth": problem.ground_truth,
        "verifier": problem.verifier,
    }


def _task(name: str, problems: Path, limit: int) -> str:
    task: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(problems)}},
        "test_split": "test",
        "output_type": "generate_until",
        "num_fewshot": 0,
        # Names of fields: their text is taken as it is, no template is read from it.
        "description": "system",
        "doc_to_text": "prompt",
        "doc_to_target": "ground_truth",
        # No text ends an answer, the model's own end tokens alone.
        "generation_kwargs": {"until": [], "max_gen_toks": limit, "do_sample": False, "temperature": 0.0},
        "metric_list": [{"metric": "correct", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0},
    }
    # The tag is lm-eval's own: a function of a module beside the file.
    return yaml.safe_dump(task, sort_keys=False) + "process_results: !function grade.process_results\n"


def _command(config: EvalConfig, policy: Policy, name: str, place: Path) -> str:
    has_template = policy.tokenizer.chat_template is not None
    dtype = str(policy.model.dtype).removeprefix("torch.")
    # A chat template writes its own special tokens, plain text gets the tokenizer's.
    arguments = [f"pretrained={policy.base_path}", f"dtype={dtype}", *(["add_bos_token=False"] if has_template else [])]
    words = [
        *("lm-eval", "run", "--model", "hf", "--model_args", ",".join(arguments)),
        *("--include_path", str(place), "--tasks", name, *(["--apply_chat_template"] if has_template else [])),
        *("--device", policy.model.device.type, "--batch_size", "1"),
        *("--log_samples", "--output_path", str(place / "results")),
    ]
    return shlex.join(words)


def _told(asked: Asked, out: Path) -> list[str]:
    too_long = f"; {len(asked.too_long)} are left out, whose prompts are too long" if asked.too_long else ""
    return [f"{len(asked.prompts)} problems in {out}{too_long}; to ask them by lm-eval 0.4.13:"]
