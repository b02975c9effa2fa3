"""Dynamic programming against every response written out, and sampling against dynamic programming."""

from itertools import product

import pytest
import torch

from spro.credit import METHODS, TokenBatch
from spro.lab.oracle.drift import PRM_BETA, Training, drifted_scenes, prm_auc, prm_pull, warm_start
from spro.lab.oracle.experience import Recipe, Scene, ScoredSamples, Vine, batch_gradients, sample_experience
from spro.lab.oracle.samples import Sampler, greedy_outcomes, sample_responses, sampled_values
from spro.lab.oracle.truth import TabularPolicy, exact_truth
from spro.lab.oracle.world import BROKEN, OPERATIONS, arithmetic_world
from tests.unit.lab.enumeration import all_responses, expected_outcome, padded, random_policy, tiny_world

EXACT = {"rtol": 0, "atol": 1e-12}


def scene_of(world, seed: int = 3) -> Scene:
    policy, reference, prm = (random_policy(world, seed + offset) for offset in range(3))
    return Scene(world, exact_truth(world, policy), reference, prm)


def test_values_are_those_of_all_responses() -> None:
    world = tiny_world()
    truth = exact_truth(world, random_policy(world, 0))
    log_probs = truth.policy.log_probs
    for prompt, position, register in product(range(2), range(3), range(3)):
        expected = expected_outcome(world, log_probs, prompt, position, register)
        torch.testing.assert_close(truth.values[prompt, position, register], expected, **EXACT)


def test_action_values_are_those_of_all_responses() -> None:
    world = tiny_world()
    truth = exact_truth(world, random_policy(world, 1))
    for prompt, register, token in product(range(2), range(3), range(3)):
        ways = [r for r in all_responses(world, prompt, 1, register) if r.tokens[0] == token]
        probs = torch.stack([r.log_prob(truth.policy.log_probs, prompt, 1).exp() for r in ways])
        expected = (probs * torch.tensor([r.outcome for r in ways])).sum() / truth.policy.probs[
            prompt, 1, register, token
        ]
        torch.testing.assert_close(truth.action_values[prompt, 1, register, token], expected, **EXACT)


def test_occupancy_is_the_share_of_responses_that_come_through() -> None:
    world = tiny_world()
    truth = exact_truth(world, random_policy(world, 2))
    expected = torch.zeros_like(truth.occupancy)
    for prompt in range(2):
        for response in all_responses(world, prompt):
            for position, register in enumerate(response.registers):
                expected[prompt, position, register] += response.log_prob(truth.policy.log_probs, prompt).exp()
    torch.testing.assert_close(truth.occupancy, expected, **EXACT)


def test_gradient_and_drift_are_those_of_all_responses() -> None:
    world = tiny_world()
    truth = exact_truth(world, random_policy(world, 4))
    reference = random_policy(world, 5)
    logits = truth.policy.logits.clone().requires_grad_()
    log_probs = logits.log_softmax(dim=-1)
    accuracy = sum(expected_outcome(world, log_probs, prompt) for prompt in range(2)) / 2
    (gradient,) = torch.autograd.grad(accuracy, logits)
    torch.testing.assert_close(truth.gradient, gradient, **EXACT)
    assert truth.accuracy == pytest.approx(accuracy.item(), abs=1e-12)

    drift = sum(
        float(r.log_prob(truth.policy.log_probs, p).exp())
        * float(r.log_prob(truth.policy.log_probs, p) - r.log_prob(reference.log_probs, p))
        for p in range(2)
        for r in all_responses(world, p)
    )
    assert truth.drift_from(reference) == pytest.approx(drift / 2, abs=1e-12)
    assert truth.drift_from(truth.policy) == 0


def test_advantages_are_zero_on_average() -> None:
    world = arithmetic_world(4, 6, torch.Generator().manual_seed(0))
    truth = exact_truth(world, random_policy(world, 6))
    mean = (truth.policy.probs * truth.advantages).sum(dim=-1)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-14)


def test_the_expected_gradient_of_rloo_is_exact() -> None:
    world = tiny_world()
    truth = exact_truth(world, random_policy(world, 7))
    expected = torch.zeros(truth.gradient.numel(), dtype=torch.float64)
    for prompt in range(2):
        responses = all_responses(world, prompt)
        pairs = list(product(responses, repeat=2))
        rows = [response for pair in pairs for response in pair]
        probs = torch.stack([sum(r.log_prob(truth.policy.log_probs, prompt) for r in pair).exp() for pair in pairs])
        mask = padded([[1] * len(r.tokens) for r in rows], world.length).bool()
        tokens = padded([r.tokens for r in rows], world.length)
        advantages = METHODS["rloo"]()(
            TokenBatch(
                response_mask=mask,
                group_ids=torch.arange(len(pairs)).repeat_interleave(2),
                outcome_rewards=torch.tensor([r.outcome for r in rows], dtype=torch.float64),
            )
        )
        registers = padded([r.registers for r in rows], world.length)
        cells = world.cells(torch.tensor(prompt), torch.arange(world.length), registers)
        gradients = batch_gradients(
            truth.policy,
            *(tensor.reshape(len(pairs), 2, world.length) for tensor in (cells, tokens, advantages)),
        )
        expected += probs @ gradients / 2
    torch.testing.assert_close(expected, truth.gradient.flatten(), rtol=0, atol=1e-10)


def test_samples_come_as_often_as_they_should() -> None:
    world = tiny_world(prompts=1)
    policy = random_policy(world, 8)
    sampler = Sampler(policy, torch.Generator().manual_seed(0))
    samples = sample_responses(world, sampler, torch.zeros(40_000, dtype=torch.long))
    written = [tuple(row[keep].tolist()) for row, keep in zip(samples.tokens, samples.mask, strict=True)]
    for response in all_responses(world, 0):
        share = float(response.log_prob(policy.log_probs, 0).exp())
        error = (share * (1 - share) / 40_000) ** 0.5
        assert written.count(tuple(response.tokens)) / 40_000 == pytest.approx(share, abs=5 * error)
    outcomes = {tuple(r.tokens): r.outcome for r in all_responses(world, 0)}
    assert samples.outcomes.tolist() == [outcomes[tokens] for tokens in written]


def test_an_impossible_token_is_never_drawn() -> None:
    world = tiny_world()
    logits = torch.zeros(world.table, dtype=torch.float64)
    logits[..., 0] = -torch.inf
    samples = sample_responses(
        world, Sampler(TabularPolicy(logits), torch.Generator().manual_seed(0)), torch.arange(2).repeat(500)
    )
    assert (samples.tokens[samples.mask] != 0).all()


def test_vine_values_close_in_on_the_truth_as_the_root_of_their_rollouts() -> None:
    world = arithmetic_world(2, 5, torch.Generator().manual_seed(1))
    truth = exact_truth(world, random_policy(world, 9))
    sampler = Sampler(truth.policy, torch.Generator().manual_seed(2))
    states = torch.cartesian_prod(torch.arange(2), torch.arange(5), torch.arange(world.registers))
    exact = truth.values[:, :-1].flatten()
    for rollouts in (4, 64, 1024):
        error = sampled_values(world, sampler, *states.unbind(dim=1), rollouts) - exact
        predicted = (exact * (1 - exact) / rollouts).mean()
        assert float(error.square().mean() / predicted) == pytest.approx(1, abs=0.6)


def test_vineppo_is_the_true_advantage_when_its_values_are() -> None:
    scene = scene_of(arithmetic_world(2, 5, torch.Generator().manual_seed(1)))
    sampler = Sampler(scene.truth.policy, torch.Generator().manual_seed(0))
    experience = sample_experience(scene, Recipe(groups=4, group_size=5), sampler)
    batch = TokenBatch(**{**vars(experience.batch), "step_values": experience.batch.values})
    mask = batch.response_mask
    torch.testing.assert_close(METHODS["vineppo"]()(batch), experience.advantages * mask, **EXACT)


def test_a_batch_holds_what_its_fields_promise() -> None:
    world = arithmetic_world(2, 5, torch.Generator().manual_seed(1))
    scene = scene_of(world)
    sampler = Sampler(scene.truth.policy, torch.Generator().manual_seed(0))
    experience = sample_experience(scene, Recipe(groups=4, group_size=3, step_length=2), sampler, Vine(sampler, 2))
    batch = experience.batch
    assert all(tensor is not None for tensor in vars(batch).values())
    assert batch.step_rewards.shape == (12, 3)
    for row in range(12):
        length = int(batch.response_mask[row].sum())
        last = (length - 1) // 2
        assert batch.step_ids[row].tolist() == [0, 0, 1, 1, 2][:length] + [-1] * (5 - length)
        assert float(batch.step_rewards[row, last]) == 2 * float(batch.outcome_rewards[row]) - 1
        if last:
            assert float(batch.step_rewards[row, 0]) == pytest.approx(2 * float(batch.values[row, 2]) - 1)
        # Q(s_t, a_t) is V(s_{t+1}), as nothing is random but the policy.
        behind = [*batch.values[row, 1:length].tolist(), float(batch.outcome_rewards[row])]
        now = batch.values[row, :length].tolist()
        gaps = [after - before for before, after in zip(now, behind, strict=True)]
        assert experience.advantages[row, :length].tolist() == pytest.approx(gaps)
    assert (
        batch.greedy_rewards.tolist()
        == greedy_outcomes(world, scene.truth.policy)[torch.tensor([0, 1, 0, 1]).repeat_interleave(3)].tolist()
    )


@pytest.mark.parametrize(
    ("tokens", "outcomes"),
    [
        # Prompt 0 goes 0 -> 2 -> 1 -> 2, its target; prompt 1 goes 1 -> 0, its target, and ends there. The first row
        # alone, followed at every position, would lead to 0 and to 1.
        ([[1, 1, 0], [1, 2, 0]], [1.0, 1.0]),
        # Prompt 0 goes 0 -> 1 and ends; prompt 1 goes 1 -> 2 -> 1 -> 0, its target. By the first row: 2 and 1.
        ([[0, 2, 0], [0, 1, 1]], [0.0, 1.0]),
    ],
)
def test_the_greedy_response_takes_the_best_token_of_each_position(
    tokens: list[list[int]], outcomes: list[float]
) -> None:
    world = tiny_world()
    logits = torch.zeros(world.table, dtype=torch.float64)
    for prompt, position in product(range(2), range(3)):
        logits[prompt, position, :, tokens[prompt][position]] = 1.0
    assert greedy_outcomes(world, TabularPolicy(logits)).tolist() == outcomes


def test_the_implicit_prm_descends_primes_cross_entropy() -> None:
    world = arithmetic_world(2, 5, torch.Generator().manual_seed(1))
    scene = scene_of(world)
    sampler = Sampler(scene.truth.policy, torch.Generator().manual_seed(0))
    experience = sample_experience(scene, Recipe(groups=8, group_size=4), sampler)
    batch, tokens = experience.batch, experience.batch.token_ids
    assert set(batch.outcome_rewards.tolist()) == {0.0, 1.0}

    logits = scene.prm.logits.clone().requires_grad_()
    log_ratio = (logits.log_softmax(dim=-1) - scene.reference.log_probs).flatten(0, 2)[experience.cells, tokens]
    score = PRM_BETA * (log_ratio * batch.response_mask).sum(dim=1)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(score, batch.outcome_rewards)
    (uphill,) = torch.autograd.grad(loss, logits)
    pull = batch_gradients(scene.prm, experience.cells[None], tokens[None], prm_pull(experience)[None])[0]
    assert float(pull.abs().max()) > 1e-4
    torch.testing.assert_close(pull, -uphill.flatten(), **EXACT)


def test_the_implicit_prm_is_judged_by_the_pairs_that_it_ranks_right() -> None:
    scores = torch.tensor([3.0, 1.0, 2.0, 2.0, 9.0, 8.0], dtype=torch.float64)
    outcomes = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    nothing = torch.zeros(6, 1, dtype=torch.float64)
    batch = TokenBatch(
        response_mask=torch.ones(6, 1, dtype=torch.bool),
        group_ids=torch.tensor([0, 0, 2, 2, 1, 1]),
        outcome_rewards=outcomes,
        prm_log_probs=scores[:, None],
        ref_log_probs=nothing,
    )
    experience = ScoredSamples(batch, nothing.long(), nothing, nothing[:, 0])
    # Prompt 0 (groups 0 and 2): right 3 and 2, wrong 1 and 2; three pairs in order, one tie. Prompt 1 has none wrong.
    assert prm_auc(experience, prompts=2) == 3.5 / 4


def test_division_breaks_what_it_does_not_divide() -> None:
    world = arithmetic_world(3, 4, torch.Generator().manual_seed(0))
    halve = OPERATIONS.index(("/", 2))
    assert world.moves[6, halve] == 3
    assert world.moves[7, halve] == BROKEN
    assert (world.moves[BROKEN] == BROKEN).all()
    assert (world.starts != world.targets).all()


def test_training_leaves_the_reference_by_as_much_as_asked() -> None:
    generator = torch.Generator().manual_seed(0)
    world = arithmetic_world(4, 4, generator)
    reference = warm_start(world, 0.4, generator)
    training = Training(Recipe(16, 4), learning_rate=10.0, prm_learning_rate=1000.0)
    unmoved, drifted = drifted_scenes(world, reference, [0.0, 0.3], training, generator)
    assert unmoved.truth.accuracy == pytest.approx(0.4, abs=1e-6)
    assert unmoved.drift == 0
    assert 0.3 <= drifted.drift < 0.6
    assert drifted.truth.accuracy > 0.4
