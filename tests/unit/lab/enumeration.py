"""A token MDP small enough to write out every response."""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from spro.lab.oracle.truth import TabularPolicy
from spro.lab.oracle.world import World


def tiny_world(prompts: int = 2, length: int = 3) -> World:
    """Three registers, three tokens, one of them the end token."""
    moves = torch.tensor([[1, 2], [2, 0], [2, 1]])
    return World(moves, torch.tensor([0, 1])[:prompts], torch.tensor([2, 0])[:prompts], length)


def random_policy(world: World, seed: int) -> TabularPolicy:
    generator = torch.Generator().manual_seed(seed)
    return TabularPolicy(torch.randn(world.table, generator=generator, dtype=torch.float64))


@dataclass(frozen=True, eq=False)
class Response:
    """One possible response: what is written, the registers before each token, and what comes of it."""

    tokens: list[int]
    registers: list[int]
    outcome: float

    def log_prob(self, log_probs: Tensor, prompt: int, position: int = 0) -> Tensor:
        steps = enumerate(zip(self.registers, self.tokens, strict=True))
        return sum(log_probs[prompt, position + t, register, token] for t, (register, token) in steps)


def all_responses(world: World, prompt: int, position: int = 0, register: int | None = None) -> list[Response]:
    """Every way to go on from a state, the start of the prompt by default."""
    start = int(world.starts[prompt]) if register is None else register
    left = world.length - position
    found = {}
    for word in product(range(world.end_token + 1), repeat=left):
        tokens = list(word[: word.index(world.end_token) + 1]) if world.end_token in word else list(word)
        registers, here = [], start
        for token in tokens:
            registers.append(here)
            here = here if token == world.end_token else int(world.moves[here, token])
        found[tuple(tokens)] = Response(tokens, registers, float(here == int(world.targets[prompt])))
    return list(found.values())


def expected_outcome(world: World, log_probs: Tensor, prompt: int, position: int = 0, register: int | None = None):
    """The sum over all responses; differentiable."""
    responses = all_responses(world, prompt, position, register)
    return sum(r.outcome * r.log_prob(log_probs, prompt, position).exp() for r in responses)


def padded(rows: list[list[int]], width: int) -> Tensor:
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])
