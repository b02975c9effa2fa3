"""What log-probs and entropy cost with and without whole logits: time and peak memory, forward and backward.

    OMP_NUM_THREADS=1 python benchmarks/scoring.py [--positions 2048] [--vocabulary 32000] [--hidden 512]

Ratios are of times that alternate in one run, so that a busy machine slows all; a lone second means nothing. Memory is
what a process of its own grows by at its peak, its inputs and their gradients left out. PyTorch's own fused form gives
the log-prob alone, without entropy and temperature.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, linear_cross_entropy

from spro.loss import token_entropy, token_log_probs
from spro.models.linear import Bend, linear_log_probs, linear_scores

ROUNDS = 3
TEMPERATURE = 0.9
Leaves = tuple[Tensor, Tensor, Tensor]
"""States [N, D], weight [V, D] and token ids [N]."""


def make_leaves(positions: int, vocabulary: int, hidden: int) -> Leaves:
    """Of float32, with room for the gradients taken already."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(positions, hidden, generator=generator).requires_grad_()
    weight = (torch.randn(vocabulary, hidden, generator=generator) / hidden**0.5).requires_grad_()
    states.grad, weight.grad = torch.ones_like(states), torch.ones_like(weight)
    return states, weight, torch.randint(vocabulary, (positions,), generator=generator)


def whole_logits(states: Tensor, weight: Tensor, token_ids: Tensor) -> None:
    """Log-prob and entropy as most trainers have them."""
    logits = linear(states, weight)[None] / TEMPERATURE
    (token_log_probs(logits, token_ids[None]).sum() + token_entropy(logits).sum()).backward()


def in_chunks(states: Tensor, weight: Tensor, token_ids: Tensor) -> None:
    """Log-prob and entropy as spro has them."""
    log_probs, entropy = linear_scores(states, weight, None, token_ids, Bend(temperature=TEMPERATURE))
    (log_probs.sum() + entropy.sum()).backward()


def whole_log_prob(states: Tensor, weight: Tensor, token_ids: Tensor) -> None:
    """Log-prob alone, by whole logits."""
    token_log_probs(linear(states, weight)[None] / TEMPERATURE, token_ids[None]).sum().backward()


def fused_log_prob(states: Tensor, weight: Tensor, token_ids: Tensor) -> None:
    """Log-prob alone, by PyTorch 2.13."""
    options = nn.LinearCrossEntropyOptions()
    linear_cross_entropy(states, weight, token_ids, reduction="sum", options=options).backward()


@torch.no_grad()
def whole_no_gradient(states: Tensor, weight: Tensor, token_ids: Tensor) -> None:
    """Log-prob alone without gradient, by whole logits."""
    token_log_probs(linear(states, weight)[None] / TEMPERATURE, token_ids[None])


def chunks_no_gradient(states: Tensor, weight: Tensor, token_ids: Tensor) -> None:
    """Log-prob alone without gradient, as spro has it."""
    linear_log_probs(states, weight, None, token_ids, Bend(temperature=TEMPERATURE))


WAYS: tuple[Callable[[Tensor, Tensor, Tensor], None], ...] = (
    whole_logits,
    in_chunks,
    whole_log_prob,
    fused_log_prob,
    whole_no_gradient,
    chunks_no_gradient,
)


def peak_mib(way: Callable[[Tensor, Tensor, Tensor], None], sizes: tuple[int, int, int]) -> float:
    """MiB by which this process grows at its peak; it must be a new one."""
    torch.set_num_threads(1)
    # What a first product of matrices takes once.
    way(*make_leaves(8, 8, 8))
    leaves = make_leaves(*sizes)
    before = most_resident()
    way(*leaves)
    return most_resident() - before


def most_resident() -> float:
    """MiB that this process has held at most. Not ru_maxrss, which a child on Linux inherits of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="time and memory of log-probs with and without whole logits")
    parser.add_argument("--positions", type=int, default=2048)
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument("--hidden", type=int, default=512)
    given = parser.parse_args()
    sizes = (given.positions, given.vocabulary, given.hidden)
    torch.set_num_threads(1)
    leaves = make_leaves(*sizes)
    seconds: dict[str, list[float]] = {way.__name__: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            start = time.perf_counter()
            way(*leaves)
            seconds[way.__name__].append(time.perf_counter() - start)
    logits_mib = given.positions * given.vocabulary * 4 / 2**20
    print(f"{given.positions} positions, vocabulary {given.vocabulary}, hidden {given.hidden}, float32")
    print(f"the whole logits are {logits_mib:.0f} MiB\n")
    print("way                   time / whole_logits   peak MiB   peak / logits")
    for way in WAYS:
        with get_context("spawn").Pool(1) as pool:
            peak = pool.apply(peak_mib, (way, sizes))
        pairs = zip(seconds[way.__name__], seconds["whole_logits"], strict=True)
        ratio = statistics.median(ours / whole for ours, whole in pairs)
        print(f"{way.__name__:20} {ratio:20.2f} {peak:10.0f} {peak / logits_mib:15.2f}")


if __name__ == "__main__":
    main()
