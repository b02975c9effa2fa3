"""A ``TokenBatch`` with every tensor that a credit method may ask for, exact where the field has to estimate.

Axis legend: B responses, T positions, S steps.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spro.credit import TokenBatch
from spro.lab.oracle.samples import Sampler, Samples, greedy_outcomes, sample_responses, sampled_values
from spro.lab.oracle.truth import TabularPolicy, Truth
from spro.lab.oracle.world import World

GIVEN = {
    "values": "exact critic",
    "step_rewards": "exact PRM",
    "step_values": "rollouts from every step",
    "prm_log_probs": "implicit PRM, trained online",
    "greedy_rewards": "a greedy response",
}
"""Optional tensor -> what the oracle gives for it. A method that needs one has more to work with than the samples."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A policy in its world, with all that is known of it.

    Attributes:
        world: the token MDP.
        truth: exact values of the policy.
        reference: which the policy left.
        prm: the implicit process reward model of PRIME.
    """

    world: World
    truth: Truth
    reference: TabularPolicy
    prm: TabularPolicy

    @property
    def drift(self) -> float:
        """KL(pi || pi_ref) in nats a response."""
        return self.truth.drift_from(self.reference)


@dataclass(frozen=True)
class Recipe:
    """How a batch is made.

    Attributes:
        groups: a batch; each prompt gets an equal share of them.
        group_size: responses a group.
        step_length: tokens a step.
    """

    groups: int
    group_size: int
    step_length: int = 1


@dataclass(frozen=True, eq=False)
class Vine:
    """Rollouts from the start of each step, for VinePPO.

    Attributes:
        sampler: with a generator of its own, so that a batch holds the same responses with rollouts and without.
        rollouts: from each state.
    """

    sampler: Sampler
    rollouts: int


@dataclass(frozen=True, eq=False)
class ScoredSamples:
    """Sampled responses as credit methods see them, and the truth about each token.

    Attributes:
        batch: the only thing that a method sees.
        cells: row of each token's state in a flattened table.
        advantages: A(s_t, a_t), exact; 0 off the mask.
        baseline: V(s_0) of each response's prompt, exact.
    """

    batch: TokenBatch
    cells: Int[Tensor, "B T"]
    advantages: Float[Tensor, "B T"]
    baseline: Float[Tensor, " B"]


def sample_experience(scene: Scene, recipe: Recipe, sampler: Sampler, vine: Vine | None = None) -> ScoredSamples:
    """Sample one batch from the policy.

    Args:
        scene: the policy in its world.
        recipe: how.
        sampler: of the responses.
        vine: of ``step_values``; None leaves them out.
    """
    world = scene.world
    group_prompts = torch.arange(recipe.groups) % world.prompts
    samples = sample_responses(world, sampler, group_prompts.repeat_interleave(recipe.group_size))
    values = _values_of_tokens(scene, samples)
    cells = samples.cells(world)

    def look_up(table: Float[Tensor, "P L R A"]) -> Float[Tensor, "B T"]:
        return table.flatten(0, 2)[cells, samples.tokens].masked_fill(~samples.mask, 0.0)

    batch = TokenBatch(
        response_mask=samples.mask,
        group_ids=torch.arange(recipe.groups).repeat_interleave(recipe.group_size),
        outcome_rewards=samples.outcomes,
        token_ids=samples.tokens,
        old_log_probs=look_up(scene.truth.policy.log_probs),
        ref_log_probs=look_up(scene.reference.log_probs),
        prm_log_probs=look_up(scene.prm.log_probs),
        values=values,
        greedy_rewards=greedy_outcomes(world, scene.truth.policy)[samples.prompts],
        **_steps(scene, recipe.step_length, samples, values, vine),
    )
    baseline = scene.truth.values[torch.arange(world.prompts), 0, world.starts]
    return ScoredSamples(batch, cells, look_up(scene.truth.advantages), baseline[samples.prompts])


def _values_of_tokens(scene: Scene, samples: Samples) -> Float[Tensor, "B T"]:
    """V(s_t), the state before each token; 0 off the mask."""
    values = scene.truth.values[:, :-1].flatten()[samples.cells(scene.world)]
    return values.masked_fill(~samples.mask, 0.0)


def _steps(
    scene: Scene, length: int, samples: Samples, values: Float[Tensor, "B T"], vine: Vine | None
) -> dict[str, Tensor]:
    """Step ids; 2 V - 1 behind each step, as an exact PRM would say; values of the states in which steps begin."""
    mask = samples.mask
    width = mask.shape[1]
    step_mask = mask[:, ::length]
    # Behind a response's last step stands its outcome.
    has_next = torch.nn.functional.pad(step_mask[:, 1:], (0, 1))
    next_values = torch.nn.functional.pad(values[:, ::length][:, 1:], (0, 1))
    behind = torch.where(has_next, next_values, samples.outcomes[:, None])
    steps = {
        "step_ids": (torch.arange(width) // length).expand_as(mask).masked_fill(~mask, -1),
        "step_mask": step_mask,
        "step_rewards": (2 * behind - 1).masked_fill(~step_mask, 0.0),
    }
    if vine is not None:
        rows, columns = step_mask.nonzero(as_tuple=True)
        estimates = sampled_values(
            scene.world,
            vine.sampler,
            samples.prompts[rows],
            columns * length,
            samples.registers[rows, columns * length],
            vine.rollouts,
        )
        steps["step_values"] = torch.zeros_like(steps["step_rewards"]).index_put((rows, columns), estimates)
    return steps


def batch_gradients(
    policy: TabularPolicy, cells: Int[Tensor, "N B T"], tokens: Int[Tensor, "N B T"], advantages: Float[Tensor, "N B T"]
) -> Float[Tensor, "N D"]:
    """Policy gradient of each of N batches with respect to the logits, flattened to D numbers.

        g = mean over responses of sum over tokens of A_t * grad log pi(a_t|s_t)

    That is the reduction under which the expectation is that of J: nothing is divided by a length. grad log pi(a|s) is
    onehot(a) - pi(.|s), so it is enough to add up A by (state, token). Off the mask A is 0.
    """
    batches, rows, _ = cells.shape
    size = policy.logits.shape[-1]
    entries = policy.logits.numel()
    places = cells * size + tokens + entries * torch.arange(batches)[:, None, None]
    sums = torch.zeros(batches * entries, dtype=advantages.dtype)
    sums.index_add_(0, places.flatten(), advantages.flatten() / rows)
    table = sums.reshape(batches, -1, size)
    return (table - policy.probs.reshape(1, -1, size) * table.sum(dim=-1, keepdim=True)).flatten(1)
