"""Asking and grading, chunk by chunk."""

from collections.abc import Sequence

from spro.errors import WorkerError
from spro.evaluate.bench import Bench
from spro.evaluate.folder import EvalFolder
from spro.evaluate.samples import Kind, Sample, samples_of
from spro.rollout import Sampling
from spro.tasks import Prompt
from spro.train.group import Group
from spro.train.progress import Display
from spro.train.sampling import derive_seed, sample_groups
from spro.verify import Status


def evaluate(bench: Bench, folder: EvalFolder, display: Display) -> None:
    """Answer, grade and write what the folder does not hold yet.

    Each chunk has a seed of its own, so that what is written does not depend on how often the evaluation was stopped.

    Raises:
        Interrupted: a stop was asked for; the chunk is left, those before it are written.
        WorkerError: more of a chunk than ``verify.max_unscored_share`` could not be graded; it is left.
        SproError: see ``Engine.generate`` and ``Judge``.
    """
    config = bench.config
    chunks = split(bench.asked.prompts, config.problems_at_once)
    begun = folder.cut_back(chunks, config.answers)
    done = sum(map(len, chunks[:begun]))
    if begun:
        display.say(f"{done} of {len(bench.asked.prompts)} problems are answered already")
    for number, prompts in enumerate(chunks[begun:], start=begun):
        samples = answer(bench, prompts, derive_seed(config.seed, number))
        folder.append(samples)
        done += len(prompts)
        lengths = [sample.tokens for sample in samples]
        scores = [sample.score for sample in samples if sample.score is not None]
        mean = sum(scores) / len(scores) if scores else None
        display.show(done, {"accuracy": mean, "response_length/mean": sum(lengths) / len(lengths)})


def answer(bench: Bench, prompts: Sequence[Prompt], seed: int) -> list[Sample]:
    """All answers to the prompts of a chunk, graded, problem by problem."""
    config = bench.config
    kinds = {Kind.GREEDY: (int(config.greedy), 0.0), Kind.SAMPLED: (config.sampled, config.temperature)}
    groups: dict[Kind, list[Group]] = {
        kind: sample_groups(
            bench.engine, bench.judge, prompts, Sampling(number, bench.max_response_length, temperature), seed
        )
        for kind, (number, temperature) in kinds.items()
        if number
    }
    samples = [
        sample
        for member in zip(*groups.values(), strict=True)
        for kind, group in zip(groups, member, strict=True)
        for sample in samples_of(group, kind, seed)
    ]
    _check_graded(samples, config.verify.max_unscored_share)
    return samples


def split(prompts: Sequence[Prompt], size: int) -> list[Sequence[Prompt]]:
    """The chunks, in order; the last may be smaller."""
    return [prompts[start : start + size] for start in range(0, len(prompts), size)]


def _check_graded(samples: Sequence[Sample], max_share: float) -> None:
    unscored = [sample for sample in samples if sample.status is Status.UNSCORED]
    if len(unscored) > max_share * len(samples):
        raise WorkerError(
            f"{len(unscored)} of {len(samples)} answers could not be graded, more than verify.max_unscored_share = "
            f"{max_share:.0%}; the first: {unscored[0].detail or 'no reason given'}. These are not written: mend it, "
            "and go on with --resume"
        )
