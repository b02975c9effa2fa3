"""The embedded engine beside transformers' own generate, in one run: the same model, prompts, lengths and thread.

    python benchmarks/decode.py

Prints tokens a second of both and their ratio, for each of some rounds that alternate, so that a busy machine slows
both. Only the ratio means anything.
"""

import statistics
import time

import torch

from spro.models import Policy, load_policy
from spro.rollout import EmbeddedEngine, Sampling
from spro.tasks.chain import load_chain

PROMPTS, GROUP_SIZE, MAX_LENGTH, ROUNDS = 64, 4, 128, 5


def embedded(policy: Policy, prompts: list[list[int]], seed: int) -> int:
    """Response tokens sampled by the embedded engine."""
    engine = EmbeddedEngine(policy.model, policy.stop_token_ids, policy.pad_token_id, max_rows=PROMPTS * GROUP_SIZE)
    groups = engine.generate(prompts, Sampling(GROUP_SIZE, MAX_LENGTH, 1.0), seed)
    return sum(len(response.token_ids) for group in groups for response in group)


def transformers_generate(policy: Policy, prompts: list[list[int]], seed: int) -> int:
    """Response tokens sampled by ``generate``."""
    torch.manual_seed(seed)
    batch = policy.tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt")
    written = policy.model.generate(
        **batch, do_sample=True, top_k=0, num_return_sequences=GROUP_SIZE, max_new_tokens=MAX_LENGTH
    )
    responses = written[:, batch["input_ids"].shape[1] :]
    return int((responses != policy.pad_token_id).sum())


def main() -> None:
    """Alternate the two and print what they did."""
    torch.set_num_threads(1)
    policy = load_policy("builtin:chain", "cpu")
    problems = load_chain(0, PROMPTS, 0, 3, 6).train
    prompts = [policy.tokenizer.encode(problem.messages[0]["content"]) for problem in problems]
    rates: dict[str, list[float]] = {}
    for turn in range(ROUNDS):
        for sample in (embedded, transformers_generate):
            start = time.perf_counter()
            tokens = sample(policy, prompts, turn)
            rates.setdefault(sample.__name__, []).append(tokens / (time.perf_counter() - start))
    for name, values in rates.items():
        print(f"{name:22} {statistics.median(values):8.0f} tokens/s (min {min(values):.0f}, max {max(values):.0f})")
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)]
    print(f"embedded / generate    {statistics.median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f})")


if __name__ == "__main__":
    main()
