"""A reference that is right now and then, and a policy that leaves it by training."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from spro.credit import GRPO
from spro.errors import TrainingError
from spro.lab.oracle.experience import Recipe, Scene, ScoredSamples, batch_gradients, sample_experience
from spro.lab.oracle.samples import Sampler
from spro.lab.oracle.truth import TabularPolicy, exact_truth
from spro.lab.oracle.world import World

PRM_BETA = 0.05
"""PRIME's beta_train: reward per nat of the implicit reward model."""


@dataclass(frozen=True)
class Training:
    """How the policy and the implicit reward model learn.

    Attributes:
        recipe: of one step's batch.
        learning_rate: of the policy's logits; the gradient is that of a mean over responses, hence small.
        prm_learning_rate: of the reward model's logits.
        max_steps: after which a drift that was not reached is an error.
    """

    recipe: Recipe
    learning_rate: float
    prm_learning_rate: float
    max_steps: int = 5000


def warm_start(world: World, accuracy: float, generator: torch.Generator, spread: float = 1.5) -> TabularPolicy:
    """A random policy that was improved by exact natural policy gradient until its accuracy is ``accuracy``.

    The last step is made as short as is needed, by bisection, so every length and seed starts alike.

    Args:
        world: the token MDP.
        accuracy: J of the reference.
        generator: of the random logits.
        spread: standard deviation of the random logits, in nats.
    """
    logits = spread * torch.randn(world.table, generator=generator, dtype=torch.float64)
    truth = exact_truth(world, TabularPolicy(logits))
    while truth.accuracy < accuracy:
        logits = truth.policy.logits
        direction = truth.advantages
        truth = exact_truth(world, TabularPolicy(logits + direction))
        if truth.accuracy >= accuracy:
            return _bisect(world, logits, direction, accuracy)
    return truth.policy


def _bisect(world: World, logits: torch.Tensor, direction: torch.Tensor, accuracy: float) -> TabularPolicy:
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        is_below = exact_truth(world, TabularPolicy(logits + middle * direction)).accuracy < accuracy
        low, high = (middle, high) if is_below else (low, middle)
    return TabularPolicy(logits + high * direction)


def drifted_scenes(
    world: World, reference: TabularPolicy, drifts: Sequence[float], training: Training, generator: torch.Generator
) -> Iterator[Scene]:
    """Train by GRPO on sampled responses; a scene whenever the exact drift has come to the next of ``drifts``.

    The implicit reward model learns online on the same responses, after the policy was scored, as in PRIME.

    Args:
        world: the token MDP.
        reference: where both begin.
        drifts: in nats a response, ascending.
        training: how.
        generator: of the samples.

    Raises:
        TrainingError: a drift was not reached within the limit of steps.
    """
    scene = Scene(world, exact_truth(world, reference), reference, reference)
    steps = 0
    for wanted in drifts:
        while scene.drift < wanted:
            if steps == training.max_steps:
                raise TrainingError(
                    f"the drift is {scene.drift:.3g} nats after {steps} steps and cannot reach {wanted:g}: "
                    "ask for smaller drifts"
                )
            scene = _trained(scene, training, Sampler(scene.truth.policy, generator))
            steps += 1
        yield scene


def _trained(scene: Scene, training: Training, sampler: Sampler) -> Scene:
    """One step of GRPO, and one of the implicit reward model."""
    experience = sample_experience(scene, training.recipe, sampler)
    advantages = GRPO()(experience.batch)
    policy = _stepped(scene.truth.policy, experience, advantages, training.learning_rate)
    prm = _stepped(scene.prm, experience, prm_pull(experience), training.prm_learning_rate)
    return Scene(scene.world, exact_truth(scene.world, policy), scene.reference, prm)


def prm_pull(experience: ScoredSamples) -> torch.Tensor:
    """What PRIME's cross-entropy weighs each token's grad log pi_phi with; float [B, T].

    The loss is that of sigmoid(beta * sum of log pi_phi / pi_ref) against the outcome; minus its derivative with
    respect to log pi_phi(a_t|s_t) is beta * (outcome - sigmoid).
    """
    batch = experience.batch
    log_ratio = batch.require("prm_log_probs", "oracle") - batch.require("ref_log_probs", "oracle")
    predicted = (PRM_BETA * log_ratio.masked_fill(~batch.response_mask, 0.0).sum(dim=1)).sigmoid()
    return PRM_BETA * (batch.outcome_rewards - predicted)[:, None] * batch.response_mask


def _stepped(
    policy: TabularPolicy, experience: ScoredSamples, advantages: torch.Tensor, learning_rate: float
) -> TabularPolicy:
    batch = experience.batch
    tokens = batch.require("token_ids", "oracle")
    gradient = batch_gradients(policy, experience.cells[None], tokens[None], advantages[None])[0]
    return TabularPolicy(policy.logits + learning_rate * gradient.reshape(policy.logits.shape))


def prm_auc(experience: ScoredSamples, prompts: int) -> float:
    """How often the implicit reward model ranks a right response above a wrong one to the same prompt; ties count half.

    Mean over the prompts that have both kinds; NaN without one.

    Args:
        experience: group g of which answers prompt g mod ``prompts``.
        prompts: of the world.
    """
    batch = experience.batch
    log_ratio = batch.require("prm_log_probs", "oracle") - batch.require("ref_log_probs", "oracle")
    scores, prompt_ids = log_ratio.sum(dim=1), batch.group_ids % prompts
    shares = []
    for prompt in range(prompts):
        right = scores[(prompt_ids == prompt) & (batch.outcome_rewards > 0)]
        wrong = scores[(prompt_ids == prompt) & (batch.outcome_rewards == 0)]
        if len(right) and len(wrong):
            gaps = right[:, None] - wrong
            shares.append(((gaps > 0).double() + 0.5 * (gaps == 0)).mean())
    return float(torch.stack(shares).mean()) if shares else math.nan
