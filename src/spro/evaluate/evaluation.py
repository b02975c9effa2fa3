"""Asking and grading, chunk by chunk."""

from collections.abc import Sequence
from itertools import chain
from statistics import fmean

from spro.evaluate.bench import Bench
from spro.evaluate.folder import EvalFolder
from spro.evaluate.graded import check_graded
from spro.evaluate.samples import Kind, Sample, samples_of
from spro.rollout import Sampling
from spro.tasks import Prompt
from spro.train.group import Group
from spro.train.metrics import Metrics
from spro.train.progress import Display
from spro.train.sampling import derive_seed, sample_groups


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
        display.show(done, chunk_metrics(samples))


def chunk_metrics(samples: Sequence[Sample]) -> Metrics:
    """What is shown of a chunk: the share of greedy answers that are right, the mean score of the sampled ones."""
    greedy = [float(one.is_correct) for one in samples if one.kind is Kind.GREEDY and one.is_scored]
    sampled = [one.score for one in samples if one.kind is Kind.SAMPLED and one.score is not None]
    return {
        "chunk/greedy": fmean(greedy) if greedy else None,
        "chunk/sampled": fmean(sampled) if sampled else None,
        "response_length/mean": fmean(sample.tokens for sample in samples),
    }


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
    check_graded(chain.from_iterable(groups.values()), config.verify.max_unscored_share)
    return [
        sample
        for member in zip(*groups.values(), strict=True)
        for kind, group in zip(groups, member, strict=True)
        for sample in samples_of(group, kind, seed)
    ]


def split(prompts: Sequence[Prompt], size: int) -> list[Sequence[Prompt]]:
    """The chunks, in order; the last may be smaller."""
    return [prompts[start : start + size] for start in range(0, len(prompts), size)]
