"""What SPRO's process term is in expectation, by writing out every group of responses.

On-policy, loss summed over tokens. The token MDP has three tokens, the last of which ends the response; policy and
reference are random tables over prefixes, so nothing is special about a state.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import pytest
import torch
from torch import Tensor

from spro.credit import METHODS, TokenBatch

END = 2
PREFIXES = {(): 0} | {word: i for i, word in enumerate([*product(range(2), repeat=1), *product(range(2), repeat=2)], 1)}


@dataclass(frozen=True, eq=False)
class Responses:
    """Every response of at most ``length`` tokens: M of them, T tokens wide.

    Attributes:
        mask: bool [M, T].
        tokens: int [M, T].
        prefixes: row of the policy's table before each token; int [M, T].
    """

    mask: Tensor
    tokens: Tensor
    prefixes: Tensor

    def log_probs(self, table: Tensor) -> Tensor:
        """Of each token, 0 off the mask; [M, T]."""
        return table[self.prefixes, self.tokens].masked_fill(~self.mask, 0.0)


def all_responses(length: int) -> Responses:
    words = {w[: w.index(END) + 1] if END in w else w for w in product(range(3), repeat=length)}
    ordered = sorted(words)
    mask = torch.tensor([[t < len(w) for t in range(length)] for w in ordered])
    tokens = torch.tensor([[*w, *[0] * (length - len(w))] for w in ordered])
    prefixes = torch.tensor([[PREFIXES[w[:t]] if t < len(w) else 0 for t in range(length)] for w in ordered])
    return Responses(mask, tokens, prefixes)


def random_table(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(PREFIXES), 3, generator=generator, dtype=torch.float64).log_softmax(dim=-1)


def batch_of(responses: Responses, rows: Tensor, group_ids: Tensor, policy: Tensor, ref: Tensor, rewards: Tensor):
    return TokenBatch(
        response_mask=responses.mask[rows],
        group_ids=group_ids,
        outcome_rewards=rewards,
        old_log_probs=responses.log_probs(policy)[rows],
        ref_log_probs=responses.log_probs(ref)[rows],
    )


def gradient(responses: Responses, rows: Tensor, weights: Tensor, policy: Tensor) -> Tensor:
    """Sum over tokens of weight * grad log pi(a_t|s_t) with respect to the logits; [prefixes, 3]."""
    prefixes, tokens = responses.prefixes[rows], responses.tokens[rows]
    sums = torch.zeros_like(policy).index_put((prefixes, tokens), weights, accumulate=True)
    return sums - policy.exp() * sums.sum(dim=-1, keepdim=True)


@pytest.mark.parametrize("members", [2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_process_term_is_a_kl_bonus(members: int, seed: int) -> None:
    """E of its gradient is E[sum_t (1 - 1/n_t) beta grad KL(pi || pi_ref)(s_t)], the states held fixed."""
    beta = 0.7
    responses = all_responses(3)
    policy, ref = random_table(10 + seed), random_table(20 + seed)
    groups = torch.tensor(list(product(range(len(responses.mask)), repeat=members)))
    probs = responses.log_probs(policy).sum(dim=1)[groups].sum(dim=1).exp()
    assert float(probs.sum()) == pytest.approx(1)

    rows = groups.flatten()
    group_ids = torch.arange(len(groups)).repeat_interleave(members)
    batch = batch_of(responses, rows, group_ids, policy, ref, torch.zeros(len(rows), dtype=torch.float64))
    advantages = METHODS["spro_process"](beta=beta)(batch)
    of_process = gradient(responses, rows, advantages * probs[group_ids, None], policy)

    # sum_a grad pi(a|s) log(pi/pi_ref) by the chain rule of the softmax.
    log_ratio = policy - ref
    kl = (policy.exp() * log_ratio).sum(dim=-1, keepdim=True)
    grad_kl = policy.exp() * (log_ratio - kl)
    mask = responses.mask[groups]
    living = mask.double().sum(dim=1, keepdim=True).expand_as(mask)
    weights = torch.where(mask, (1 - 1 / living.clamp(min=1)) * beta * probs[:, None, None], 0.0)
    visits = torch.zeros(len(PREFIXES), dtype=torch.float64)
    visits.index_put_((responses.prefixes[groups],), weights, accumulate=True)
    of_bonus = visits[:, None] * grad_kl

    assert float(of_bonus.abs().max()) > 0.01
    torch.testing.assert_close(of_process, of_bonus, rtol=0, atol=1e-10)


@dataclass(frozen=True, eq=False)
class PairsOfGroups:
    """Every batch of two groups of two, N of them.

    Members of a group may change places, so a pair is written out once and counted as often as it comes.

    Attributes:
        members: rows of the responses; the first two are a group, the last two another; int [N, 4].
        probs: of each batch; [N].
    """

    members: Tensor
    probs: Tensor


def pairs_of_groups(responses: Responses, policy: Tensor) -> PairsOfGroups:
    of_response = responses.log_probs(policy).sum(dim=1).exp()
    pairs = list(combinations_with_replacement(range(len(responses.mask)), 2))
    members = torch.tensor([(*first, *second) for first, second in product(pairs, repeat=2)])
    orders = torch.tensor([(1 + (a != b)) * (1 + (c != d)) for a, b, c, d in members.tolist()])
    probs = of_response[members].prod(dim=1) * orders
    assert float(probs.sum()) == pytest.approx(1)
    return PairsOfGroups(members, probs)


def expected_advantages(
    name: str, pairs: PairsOfGroups, responses: Responses, policy: Tensor, ref: Tensor, outcomes: Tensor
) -> Tensor:
    """Of each token of each batch, times the probability of the batch; [4 N, T]."""
    method, group_ids = METHODS[name](), torch.tensor([0, 0, 1, 1])
    batches = (batch_of(responses, rows, group_ids, policy, ref, outcomes[rows]) for rows in pairs.members)
    return torch.cat([prob * method(batch) for prob, batch in zip(pairs.probs, batches, strict=True)])


def test_the_control_variate_leaves_the_expected_gradient_as_it_is() -> None:
    """Over all batches of two groups of two, though its slope is fitted on the batch: on the other group."""
    responses = all_responses(2)
    policy, ref = random_table(30), random_table(40)
    outcomes = torch.rand(len(responses.mask), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pairs = pairs_of_groups(responses, policy)
    plain, reduced = (
        expected_advantages(name, pairs, responses, policy, ref, outcomes) for name in ("grpo", "spro_control_variate")
    )
    assert float((plain - reduced).abs().max()) > 1e-3
    rows = pairs.members.flatten()
    expected = gradient(responses, rows, plain, policy)
    assert float(expected.abs().max()) > 0.01
    torch.testing.assert_close(gradient(responses, rows, reduced, policy), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("is_filtered", [False, True])
def test_the_accuracy_filter_takes_this_from_the_control_variate(is_filtered: bool) -> None:
    """Groups chosen by their outcome: that one was kept tells of the action at t, so MSA[t-1] no longer drops out.

    A response is right, 1 and not 0, if its last token is 0. With the filter a group is drawn anew until its mean
    outcome lies in (0.2, 0.8).
    """
    responses = all_responses(2)
    policy, ref = random_table(30), random_table(40)
    last = responses.tokens.gather(1, responses.mask.sum(dim=1, keepdim=True) - 1)[:, 0]
    outcomes = (last == 0).double()
    pairs = pairs_of_groups(responses, policy)
    if is_filtered:
        means = outcomes[pairs.members].reshape(-1, 2, 2).mean(dim=2)
        kept = ((means > 0.2) & (means < 0.8)).all(dim=1)
        pairs = PairsOfGroups(pairs.members[kept], pairs.probs[kept] / pairs.probs[kept].sum())
    of_grpo, of_variate = (
        gradient(
            responses,
            pairs.members.flatten(),
            expected_advantages(name, pairs, responses, policy, ref, outcomes),
            policy,
        )
        for name in ("grpo", "spro_control_variate")
    )
    difference = float((of_variate - of_grpo).norm())
    if is_filtered:
        assert float(of_grpo.norm()) == pytest.approx(1.94, abs=0.01)
        assert difference == pytest.approx(0.58, abs=0.01)
    else:
        assert float(of_grpo.norm()) > 0.2
        assert difference < 1e-10
