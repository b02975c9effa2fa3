"""The token MDP: arithmetic on a register, a vocabulary of twenty tokens, a verifiable outcome.

Axis legend: P prompts, R registers, A tokens of the vocabulary, N any number of states.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

MODULUS = 12
BROKEN = MODULUS
"""The register of a response that divided what cannot be divided; no token leads out of it."""
OPERATIONS = (
    *(("+", operand) for operand in range(1, 8)),
    *(("*", operand) for operand in range(2, 8)),
    *(("/", operand) for operand in range(2, 8)),
)
"""All tokens but the last one of the vocabulary, which ends the response."""


@dataclass(frozen=True, eq=False)
class World:
    """What is asked, and what a token does.

    A state is (prompt, position, register). A token moves the register; the last token of the vocabulary ends the
    response, and so does the limit on its length. The outcome is 1 if the register then holds the prompt's target.

    Attributes:
        moves: register that each token leads to; the end token has no column.
        starts: register in which the response to each prompt begins.
        targets: register that each prompt asks for.
        length: tokens that a response may have, the end token included.
    """

    moves: Int[Tensor, "R A-1"]
    starts: Int[Tensor, " P"]
    targets: Int[Tensor, " P"]
    length: int

    @property
    def prompts(self) -> int:
        """P."""
        return len(self.starts)

    @property
    def registers(self) -> int:
        """R."""
        return len(self.moves)

    @property
    def end_token(self) -> int:
        """The token that ends a response: A - 1."""
        return self.moves.shape[1]

    @property
    def table(self) -> tuple[int, int, int, int]:
        """Shape of a tabular policy: (P, length, R, A)."""
        return self.prompts, self.length, self.registers, self.end_token + 1

    @property
    def solved(self) -> Float[Tensor, "P R"]:
        """Outcome of a response to a prompt that ends in a register: 0 or 1."""
        return torch.nn.functional.one_hot(self.targets, self.registers).double()

    def cells(
        self, prompts: Int[Tensor, " N"], positions: Int[Tensor, " N"], registers: Int[Tensor, " N"]
    ) -> Int[Tensor, " N"]:
        """Row of each state in a table that is flattened to [P * length * R, A]."""
        return (prompts * self.length + positions) * self.registers + registers

    def advance(
        self, registers: Int[Tensor, " N"], tokens: Int[Tensor, " N"]
    ) -> tuple[Int[Tensor, " N"], Bool[Tensor, " N"]]:
        """The register behind each token, and whether the token was the end token, which leaves it as it is."""
        has_ended = tokens == self.end_token
        moved = self.moves[registers, tokens.masked_fill(has_ended, 0)]
        return torch.where(has_ended, registers, moved), has_ended


def arithmetic_world(prompts: int, length: int, generator: torch.Generator) -> World:
    """Residues modulo 12 that are added to, multiplied and divided; a division that leaves a rest breaks the register.

    So some mistakes can be mended by a later token and others cannot, as in reasoning. A prompt is a start and another
    residue to arrive at, drawn at random.
    """
    moves = torch.tensor([[_moved(register, *operation) for operation in OPERATIONS] for register in range(BROKEN + 1)])
    starts = torch.randint(MODULUS, (prompts,), generator=generator)
    shifts = torch.randint(1, MODULUS, (prompts,), generator=generator)
    return World(moves, starts, (starts + shifts) % MODULUS, length)


def _moved(register: int, sign: str, operand: int) -> int:
    if register == BROKEN:
        return BROKEN
    if sign == "/":
        return BROKEN if register % operand else register // operand
    return (register + operand if sign == "+" else register * operand) % MODULUS
