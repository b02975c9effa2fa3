"""What is exactly true of a tabular policy, by dynamic programming in float64.

Axis legend: P prompts, L positions, R registers, A tokens of the vocabulary; a policy is a table [P, L, R, A].
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from spro.lab.oracle.world import World


@dataclass(frozen=True, eq=False)
class TabularPolicy:
    """A table of logits; its gradient is taken with respect to these.

    Attributes:
        logits: float64; unnormalised log-probabilities.
    """

    logits: Float[Tensor, "P L R A"]

    @cached_property
    def log_probs(self) -> Float[Tensor, "P L R A"]:
        """Log pi(a|s) in nats."""
        return self.logits.log_softmax(dim=-1)

    @cached_property
    def probs(self) -> Float[Tensor, "P L R A"]:
        """pi(a|s)."""
        return self.log_probs.exp()


@dataclass(frozen=True, eq=False)
class Truth:
    """The exact values of a policy.

    Attributes:
        policy: whose truth this is.
        values: V(s), the expected outcome from a state on; the last position (L) is the outcome itself.
        action_values: Q(s, a).
        occupancy: probability that a response to the prompt comes through (position, register).
        accuracy: J, the expected outcome, mean over prompts.
    """

    policy: TabularPolicy
    values: Float[Tensor, "P L+1 R"]
    action_values: Float[Tensor, "P L R A"]
    occupancy: Float[Tensor, "P L R"]
    accuracy: float

    @cached_property
    def advantages(self) -> Float[Tensor, "P L R A"]:
        """A(s, a) = Q(s, a) - V(s)."""
        return self.action_values - self.values[:, :-1, :, None]

    @cached_property
    def gradient(self) -> Float[Tensor, "P L R A"]:
        """Of J with respect to the logits: occupancy * pi * A, divided by P (the policy gradient theorem)."""
        return self.occupancy[..., None] * self.policy.probs * self.advantages / len(self.values)

    def drift_from(self, reference: TabularPolicy) -> float:
        """KL(pi || pi_ref) in nats a response, mean over prompts."""
        log_ratio = self.policy.log_probs - reference.log_probs
        of_states = (self.policy.probs * log_ratio).sum(dim=-1)
        return float((self.occupancy * of_states).sum() / len(self.values))


def exact_truth(world: World, policy: TabularPolicy) -> Truth:
    """One sweep backwards for the values, one forwards for the occupancy."""
    prompts, length, registers, _ = world.table
    rows = torch.arange(prompts)
    values = torch.empty(prompts, length + 1, registers, dtype=torch.float64)
    action_values = torch.empty(world.table, dtype=torch.float64)
    values[:, length] = world.solved
    for position in reversed(range(length)):
        action_values[:, position, :, :-1] = values[:, position + 1][:, world.moves]
        action_values[:, position, :, -1] = world.solved
        values[:, position] = (policy.probs[:, position] * action_values[:, position]).sum(dim=-1)

    occupancy = torch.zeros(prompts, length, registers, dtype=torch.float64)
    occupancy[rows, 0, world.starts] = 1.0
    for position in range(length - 1):
        flow = (occupancy[:, position, :, None] * policy.probs[:, position, :, :-1]).flatten(1)
        occupancy[:, position + 1].index_add_(1, world.moves.flatten(), flow)
    return Truth(policy, values, action_values, occupancy, float(values[rows, 0, world.starts].mean()))
