"""What a model does on the held-out problems: a program of its own, which writes a file and ends.

python -m spro.lab.compare.final '{"config": ..., "model": ..., "to": ..., ...}'
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from spro.errors import DataError, SproError, UserError
from spro.evaluate import ProblemResult, evaluate_prompts
from spro.folders import write_whole
from spro.lab.compare.measurement import Measurement
from spro.lab.compare.summary import Scores
from spro.models import load_policy, restore_model
from spro.settings import load_config
from spro.tasks import encode_prompts, load_task
from spro.train.generators import seed_generators
from spro.train.grading import Grading
from spro.train.interrupt import StopRequest
from spro.train.prepare import sampling_of
from spro.train.sampling import derive_seed
from spro.train.speaker import build_speaker


def measure(measurement: Measurement) -> tuple[Scores, ...]:
    """The scores on each held-out problem, in the order of the task.

    Raises:
        UserError: see ``load_policy`` and ``load_task``.
        DataError: no held-out problem fits the model.
        WorkerError: more of the answers than ``verify.max_unscored_share`` could not be graded.
    """
    config = load_config(Path(measurement.config), ())
    model = config.model
    torch.set_num_threads(model.threads)
    seed_generators(measurement.seed)
    with Grading(config, measurement.allow_unsafe) as grading:
        task = load_task(config.task, measurement.problems_seed, grading.problem_with, grading.columns)
        policy = load_policy(model.path, model.device, model.dtype, model.lora, measurement.seed)
        if measurement.model is not None:
            restore_model(Path(measurement.model), policy)
        limit = config.rollout.max_prompt_length
        prompts = encode_prompts(policy.tokenizer, task.held_out, limit, task.report)[: measurement.problems]
        if not prompts:
            raise DataError(f"no held-out problem fits the model: {task.report}")
        grading.prepare({prompt.problem.verifier for prompt in prompts})
        judge = grading.judge(policy.tokenizer)
        speaker = build_speaker(config, policy, task.tool, prompts, StopRequest())
        try:
            speaker.push(0)
            sampling = replace(sampling_of(config), group_size=measurement.samples)
            seed, share = derive_seed(measurement.seed, "final"), config.verify.max_unscored_share
            sampled = evaluate_prompts(speaker.engine, judge, prompts, sampling, seed, share)
            greedy: Sequence[ProblemResult | None] = [None] * len(prompts)
            if measurement.greedy:
                once = replace(sampling, group_size=1, temperature=0.0)
                greedy = evaluate_prompts(speaker.engine, judge, prompts, once, seed, share)
        finally:
            speaker.close()
    return tuple(scores_of(one, other) for one, other in zip(sampled, greedy, strict=True))


def scores_of(sampled: ProblemResult, greedy: ProblemResult | None) -> Scores:
    """What a model did on one problem; half of the tests of a program are half a score, and no right answer.

    Args:
        sampled: the sampled answers.
        greedy: the greedy answer to the same problem; None where it was not asked for.
    """
    is_right = float(greedy.correct[0]) if greedy is not None and greedy.correct else None
    return Scores(sampled.problem_id, sampled.data_source, sampled.scores, is_right)


def main(words: Sequence[str]) -> int:
    """Measure, and write the scores as JSON; returns the exit code."""
    measurement = Measurement(**json.loads(words[0]))
    try:
        scores = measure(measurement)
    except SproError as error:
        print(f"spro: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    write_whole(Path(measurement.to), json.dumps([asdict(one) for one in scores]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
