"""All settings, one after the other: train, sample, score."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, replace

import torch
from torch import Tensor

from spro.credit import METHODS, Method, TokenBatch
from spro.errors import ConfigError
from spro.lab.oracle.config import BLOCKS, OracleConfig
from spro.lab.oracle.drift import Training, drifted_scenes, prm_auc, warm_start
from spro.lab.oracle.experience import GIVEN, Recipe, Scene, Vine, batch_gradients, sample_experience
from spro.lab.oracle.samples import Sampler
from spro.lab.oracle.score import Estimate, estimate_scores
from spro.lab.oracle.sums import BlockTruth, Sums, sums_of
from spro.lab.oracle.world import arithmetic_world

UNIT = "rloo"
"""The method whose noise is 1."""


@dataclass(frozen=True)
class Setting:
    """Where the methods were scored.

    Attributes:
        length: tokens that a response may have.
        group_size: responses to a prompt.
        drift: asked for, in nats a response.
        measured_drift: exact KL(pi || pi_ref).
        accuracy: exact J of the policy.
        mean_length: exact mean length of a response, in tokens.
        prm_auc: how often the implicit reward model ranks right above wrong; NaN if nothing can be ranked.
    """

    length: int
    group_size: int
    drift: float
    measured_drift: float
    accuracy: float
    mean_length: float
    prm_auc: float


@dataclass(frozen=True)
class Row:
    """One method in one setting.

    Attributes:
        method: its name.
        given: what it has beside outcomes and log-probabilities.
        scores: as in ``COLUMNS``.
    """

    method: str
    given: str
    scores: dict[str, Estimate]


@dataclass(frozen=True)
class Result:
    """All methods in one setting."""

    setting: Setting
    rows: tuple[Row, ...]


def run_study(config: OracleConfig, report: Callable[[str], None] = lambda line: None) -> Iterator[Result]:
    """Score the settings of ``config``; each depends on the seed and itself alone, not on the others.

    Args:
        config: what to score.
        report: is told what is about to be scored.
    """
    for length in sorted({config.length, *config.lengths}):
        drifts = {config.drift, *config.drifts} if length == config.length else {config.drift}
        for drift, scene in zip(sorted(drifts), _scenes(config, length, sorted(drifts)), strict=True):
            is_base = length == config.length and drift == config.drift
            for group_size in sorted({config.group_size, *config.group_sizes}) if is_base else [config.group_size]:
                report(f"scoring length {length}, group size {group_size}, drift {scene.drift:.2f} nats")
                yield _score_setting(config, length, group_size, drift, scene)


def _scenes(config: OracleConfig, length: int, drifts: list[float]) -> Iterator[Scene]:
    generator = torch.Generator().manual_seed(config.seed)
    world = arithmetic_world(config.prompts, length, generator)
    reference = warm_start(world, config.accuracy, generator)
    recipe = Recipe(config.groups, config.group_size)
    training = Training(recipe, config.learning_rate, config.prm_learning_rate)
    return drifted_scenes(world, reference, drifts, training, generator)


def _score_setting(config: OracleConfig, length: int, group_size: int, drift: float, scene: Scene) -> Result:
    names = config.method_names
    needs = frozenset[str]().union(*(METHODS[name].needs for name in names))
    recipe = Recipe(config.groups, group_size, config.step_length)
    policy = scene.truth.policy
    sampler = Sampler(policy, torch.Generator().manual_seed(config.seed + 1))
    # Two generators: whether a method asks for rollouts must not change the responses of all.
    of_rollouts = Sampler(policy, torch.Generator().manual_seed(config.seed + 2))
    vine = Vine(of_rollouts, config.vine_samples) if "step_values" in needs else None
    methods = {name: stated_method(name, length) for name in names}
    scores = score_methods(methods, scene, recipe, config.batches, sampler, vine)

    whole = sample_experience(scene, Recipe(scene.world.prompts, 500), sampler)
    setting = Setting(
        length=length,
        group_size=group_size,
        drift=drift,
        measured_drift=scene.drift,
        accuracy=scene.truth.accuracy,
        mean_length=float(scene.truth.occupancy.sum()) / scene.world.prompts,
        prm_auc=prm_auc(whole, scene.world.prompts),
    )
    return Result(setting, tuple(Row(name, given_to(METHODS[name]), scores[name]) for name in names))


def score_methods(
    methods: dict[str, Method],
    scene: Scene,
    recipe: Recipe,
    batches: int,
    sampler: Sampler,
    vine: Vine | None = None,
) -> dict[str, dict[str, Estimate]]:
    """Scores of each method on the same ``batches`` batches; RLOO must be among the methods.

    Batches are sampled a block at a time and handed to a method one by one, since whitening and the like look at all of
    a batch.
    """
    truth = scene.truth.gradient.flatten()
    blocks: dict[str, list[Sums]] = {name: [] for name in methods}
    control: list[Sums] = []
    per_block = batches // BLOCKS
    wide = replace(recipe, groups=recipe.groups * per_block)
    for _ in range(BLOCKS):
        experience = sample_experience(scene, wide, sampler, vine)
        batch = experience.batch
        parts = split_batch(batch, per_block)
        mask = batch.response_mask

        def split(tensor: Tensor) -> Tensor:
            return tensor.reshape(per_block, -1, *tensor.shape[1:])

        cells, tokens = split(experience.cells), split(batch.require("token_ids", "oracle"))
        ideal = split((batch.outcome_rewards - experience.baseline)[:, None] * mask)
        policy = scene.truth.policy
        ideal_gradients = batch_gradients(policy, cells, tokens, ideal)
        block_truth = BlockTruth(split(mask), split(experience.advantages), truth, ideal_gradients)
        control.append(sums_of(block_truth, ideal, ideal_gradients))
        for name, method in methods.items():
            advantages = torch.stack([method(part) for part in parts])
            blocks[name].append(sums_of(block_truth, advantages, batch_gradients(policy, cells, tokens, advantages)))
    return {name: estimate_scores(blocks[name], control, blocks[UNIT], truth) for name in methods}


def split_batch(batch: TokenBatch, count: int) -> list[TokenBatch]:
    """``count`` batches of as many rows each."""
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}
    pieces = {name: tensor.chunk(count) for name, tensor in tensors.items() if tensor is not None}
    return [TokenBatch(**{name: chunks[index] for name, chunks in pieces.items()}) for index in range(count)]


def stated_method(name: str, length: int) -> Method:
    """The method with its defaults; where it asks for a value, the one that the oracle states.

    That is ``max_response_length``: the length that a response may have.

    Raises:
        ConfigError: it asks for something else.
    """
    stated = {"max_response_length": length}
    method = METHODS[name]
    asked = [field.name for field in fields(method) if field.default is MISSING]  # type: ignore[arg-type]
    for field in asked:
        if field not in stated:
            raise ConfigError(f"the oracle states no {field} for the method {name!r}; leave it out with methods=")
    return method(**{field: stated[field] for field in asked})


def given_to(method: type[Method]) -> str:
    """What the oracle gives to a method beside outcomes and log-probabilities."""
    return ", ".join(text for tensor, text in GIVEN.items() if tensor in method.needs)
