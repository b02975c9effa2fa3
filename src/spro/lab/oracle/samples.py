"""Responses sampled from a tabular policy, and what can be measured by sampling more.

Axis legend: B responses, T positions, S steps, N states, K rollouts a state.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from spro.lab.oracle.truth import TabularPolicy
from spro.lab.oracle.world import World


@dataclass(frozen=True, eq=False)
class Samples:
    """Responses and the states that they came through.

    Attributes:
        prompts: which prompt each response answers.
        mask: True where there is a token.
        tokens: what was written; 0 off the mask.
        registers: before each token; the last one off the mask.
        outcomes: 0 or 1.
    """

    prompts: Int[Tensor, " B"]
    mask: Bool[Tensor, "B T"]
    tokens: Int[Tensor, "B T"]
    registers: Int[Tensor, "B T"]
    outcomes: Float[Tensor, " B"]

    def cells(self, world: World) -> Int[Tensor, "B T"]:
        """Row of each token's state in a flattened table."""
        positions = torch.arange(self.mask.shape[1])
        return world.cells(self.prompts[:, None], positions, self.registers)


class Sampler:
    """Draws tokens of a policy.

    One search in the running sum over the whole table, row i of which lies between i and i + 1, in place of one over
    each state's own distribution.
    """

    def __init__(self, policy: TabularPolicy, generator: torch.Generator) -> None:
        rows = policy.probs.flatten(0, 2)
        self._tokens = rows.shape[1]
        # The last entry of a row would be its end but for rounding; left out, no draw can leave its row.
        running = rows.cumsum(dim=1)[:, :-1].clamp(max=1.0)
        self._edges = (running + torch.arange(len(rows), dtype=torch.float64)[:, None]).flatten()
        self._generator = generator

    def draw(self, cells: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
        """One token for each state."""
        points = cells + torch.rand(cells.shape, generator=self._generator, dtype=torch.float64)
        below = torch.searchsorted(self._edges, points, right=True)
        return (below - cells * (self._tokens - 1)).clamp(0, self._tokens - 1)


def sample_responses(world: World, sampler: Sampler, prompts: Int[Tensor, " B"]) -> Samples:
    """One response to each prompt."""
    registers = world.starts[prompts]
    is_alive = torch.ones_like(prompts, dtype=torch.bool)
    columns = []
    for position in range(world.length):
        tokens = sampler.draw(world.cells(prompts, torch.full_like(prompts, position), registers))
        columns.append((is_alive, tokens.masked_fill(~is_alive, 0), registers))
        moved, has_ended = world.advance(registers, tokens)
        registers = torch.where(is_alive, moved, registers)
        is_alive = is_alive & ~has_ended
    mask, written, before = (torch.stack(column, dim=1) for column in zip(*columns, strict=True))
    return Samples(prompts, mask, written, before, world.solved[prompts, registers])


def sampled_values(
    world: World,
    sampler: Sampler,
    prompts: Int[Tensor, " N"],
    positions: Int[Tensor, " N"],
    registers: Int[Tensor, " N"],
    rollouts: int,
) -> Float[Tensor, " N"]:
    """Mean outcome of K responses that go on from each state: VinePPO's estimate of V(s)."""
    prompts, positions = prompts.repeat_interleave(rollouts), positions.repeat_interleave(rollouts)
    registers = registers.repeat_interleave(rollouts)
    alive = torch.arange(len(prompts))
    while len(alive):
        here = registers[alive]
        tokens = sampler.draw(world.cells(prompts[alive], positions[alive], here))
        registers[alive], has_ended = world.advance(here, tokens)
        positions[alive] += 1
        alive = alive[~has_ended & (positions[alive] < world.length)]
    return world.solved[prompts, registers].reshape(-1, rollouts).mean(dim=1)


def greedy_outcomes(world: World, policy: TabularPolicy) -> Float[Tensor, " P"]:
    """Outcome of the greedy response to each prompt."""
    best = policy.logits.argmax(dim=-1).flatten()
    prompts, registers = torch.arange(world.prompts), world.starts
    is_alive = torch.ones_like(prompts, dtype=torch.bool)
    for position in range(world.length):
        moved, has_ended = world.advance(
            registers, best[world.cells(prompts, torch.full_like(prompts, position), registers)]
        )
        registers = torch.where(is_alive, moved, registers)
        is_alive = is_alive & ~has_ended
    return world.solved[prompts, registers]
