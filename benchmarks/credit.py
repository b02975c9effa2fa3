"""What credit costs: beside copying its tensors, beside the loop forms of the field, by size, and in memory.

    OMP_NUM_THREADS=1 python benchmarks/credit.py

Every figure is a ratio of two times that alternate in one run, so that a busy machine slows both; a lone second means
nothing. The loops are our own, in the form in which PRIME (``compute_rloo_returns``) and verl (``compute_gae...``,
``compute_reinforce_plus_plus...``) publish theirs: one Python step a group and one a position.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from spro.credit import METHODS, PPO, SPRO, TokenBatch

GROUP_SIZE = 4
Run = Callable[[], object]


def make_batch(rows: int, width: int) -> TokenBatch:
    """Ragged responses between a quarter and all of the width, in float32."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(width // 4, width + 1, (rows,), generator=generator)
    old, ref, prm, values = (torch.rand(rows, width, generator=generator).neg_() for _ in range(4))
    return TokenBatch(
        response_mask=torch.arange(width) < lengths[:, None],
        group_ids=torch.arange(rows) // GROUP_SIZE,
        outcome_rewards=torch.rand(rows, generator=generator).round(),
        old_log_probs=old,
        ref_log_probs=ref,
        prm_log_probs=prm,
        values=values,
    )


def copy_tensors(batch: TokenBatch) -> tuple[Tensor, ...]:
    """Copy what SPRO reads, and as much again as it writes."""
    assert batch.old_log_probs is not None
    assert batch.ref_log_probs is not None
    read = batch.old_log_probs.clone(), batch.ref_log_probs.clone(), batch.response_mask.clone()
    return *read, batch.old_log_probs.clone()


def loop_return(rewards: Tensor) -> Tensor:
    """Return to go, one position at a time."""
    returns = torch.zeros_like(rewards)
    running = torch.zeros(len(rewards))
    for position in reversed(range(rewards.shape[1])):
        running = rewards[:, position] + running
        returns[:, position] = running
    return returns


def loop_whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Whiten over the batch."""
    mean = values[mask].mean()
    return (values - mean) * torch.rsqrt(values[mask].var() + 1e-8) * mask


def prime_loop(batch: TokenBatch) -> Tensor:
    """PRIME: a loop over groups for the baseline, one over positions for the return, for both rewards."""
    assert batch.prm_log_probs is not None
    assert batch.ref_log_probs is not None
    mask, n = batch.response_mask, GROUP_SIZE
    last = mask.sum(dim=1) - 1
    outcome, is_last = torch.zeros_like(batch.prm_log_probs), torch.zeros_like(mask)
    outcome[torch.arange(len(last)), last] = batch.outcome_rewards
    is_last[torch.arange(len(last)), last] = True
    process = (batch.prm_log_probs - batch.ref_log_probs) * mask
    process /= loop_return(process).abs().max() + 1e-6
    returns = []
    for rewards, paid in ((process, mask), (outcome, is_last)):
        for start in range(0, len(rewards), n):
            rows, paid_rows = rewards[start : start + n], paid[start : start + n]
            total = sum(row[here].mean() for row, here in zip(rows, paid_rows, strict=True))
            rows[paid_rows] = rows[paid_rows] * (n / (n - 1)) - total / (n - 1)
        returns.append(loop_return(rewards))
    return loop_whiten(returns[0] + returns[1], mask)


def reinforce_loop(batch: TokenBatch) -> Tensor:
    """REINFORCE++ as in verl: a loop over positions."""
    assert batch.old_log_probs is not None
    assert batch.ref_log_probs is not None
    mask = batch.response_mask
    rewards = -0.001 * (batch.old_log_probs - batch.ref_log_probs) * mask
    rewards[torch.arange(len(rewards)), mask.sum(dim=1) - 1] += batch.outcome_rewards
    return loop_whiten(loop_return(rewards), mask)


def gae_loop(batch: TokenBatch) -> Tensor:
    """GAE as in verl: a loop over positions that carries value and advantage over observation tokens."""
    assert batch.values is not None
    mask = batch.response_mask.float()
    rewards = torch.zeros_like(batch.values)
    rewards[torch.arange(len(rewards)), batch.response_mask.sum(dim=1) - 1] = batch.outcome_rewards
    next_value, advantage = torch.zeros(len(rewards)), torch.zeros(len(rewards))
    reverse = []
    for position in reversed(range(rewards.shape[1])):
        here = mask[:, position]
        delta = rewards[:, position] + next_value - batch.values[:, position]
        advantage = (delta + advantage) * here + (1 - here) * advantage
        next_value = batch.values[:, position] * here + (1 - here) * next_value
        reverse.append(advantage)
    return loop_whiten(torch.stack(reverse[::-1], dim=1), batch.response_mask)


def ratio(run: Run, beside: Run, rounds: int) -> str:
    """Median (and range) over rounds of the time of one by the time of the other."""
    ratios = []
    for _ in range(rounds):
        seconds = []
        for call in (run, beside):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
    return f"{statistics.median(ratios):7.2f}  ({min(ratios):.2f} to {max(ratios):.2f}, {rounds} rounds)"


def check_loops(batch: TokenBatch) -> None:
    """The loops compute what they are compared with."""
    for method, loop in (
        (METHODS["prime_repository"](), prime_loop),
        (METHODS["reinforce_plus_plus"](), reinforce_loop),
        (PPO(), gae_loop),
    ):
        torch.testing.assert_close(method(batch), loop(batch), rtol=1e-3, atol=2e-3)


def peak_memory(batch: TokenBatch) -> float:
    """Memory that SPRO takes beyond the batch, output included, in float tensors of the batch's size."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        SPRO()(batch)
    events = sorted(profile.events(), key=lambda event: event.time_range.end)
    held = itertools.accumulate(event.self_cpu_memory_usage for event in events)
    return max(held) / (4 * batch.response_mask.numel())


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    check_loops(make_batch(16, 64))
    batch, spro = make_batch(1024, 8192), SPRO()
    spro(batch)
    print("B=1024, T=8192, float32, one thread; time of the first by time of the second")
    print(f"SPRO / copying its inputs and output     {ratio(lambda: spro(batch), lambda: copy_tensors(batch), rounds)}")
    for name, method, loop in (
        ("PRIME", METHODS["prime_repository"](), prime_loop),
        ("REINFORCE++", METHODS["reinforce_plus_plus"](), reinforce_loop),
        ("GAE", PPO(), gae_loop),
    ):
        beside = ratio(lambda loop=loop: loop(batch), lambda: spro(batch), 3)
        print(f"{name + ' in loop form / SPRO':40} {beside}")
        own = ratio(lambda loop=loop: loop(batch), lambda method=method: method(batch), 3)
        print(f"{name + ' in loop form / ' + name + ' here':40} {own}")
    print(f"memory beyond the batch, output included {peak_memory(batch):7.2f}  tensors of the batch's size")
    print("by size: time a token by that at B=1024, T=8192; and by copying at the same size, which caches slow as well")
    for rows, width in ((4096, 2048), (4096, 8192), (256, 32768), (1024, 32768), (4096, 32768)):
        other, growth = make_batch(rows, width), rows * width / batch.response_mask.numel()
        per_token = float(ratio(lambda other=other: spro(other), lambda: spro(batch), 3).split()[0]) / growth
        beside_copy = ratio(lambda other=other: spro(other), lambda other=other: copy_tensors(other), 3)
        print(f"  B={rows:5}, T={width:6}  {per_token:5.2f}       {beside_copy}")


if __name__ == "__main__":
    main()
