"""Model FLOPs against what torch counts of the products that it runs, and against what a run is known to do."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, MixtralConfig, PreTrainedModel

from spro.config import CreditConfig, LoraConfig
from spro.models import Sequences, add_adapters, checkpointed, response_log_probs, score_responses
from spro.rollout import EmbeddedEngine, FinishReason, Response, Sampling
from spro.train.compute import ModelCost, Work, cost_of, read, sampled
from spro.train.stopwatch import Stopwatch
from tests.models import SHAPE, tiny_model
from tests.unit.train.builders import make_config, make_group, make_learner
from tests.unit.train.scripted import make_config as scripted_config
from tests.unit.train.scripted import run

FAMILIES = ("qwen2", "llama", "gemma", "gpt2")
LAST_OF_A_LAYER = ("mlp.down_proj.weight", "mlp.c_proj.weight")
ROWS, PROMPT, RESPONSE = 3, 3, 8
LENGTH = PROMPT + RESPONSE
SEQUENCES = Sequences(tuple((1, 2, 3 + i) for i in range(ROWS)), ((7, 8, 9, 10, 11, 12, 13, 14),) * ROWS, 0)
"""Of one length, so that nothing is padding, which torch would count."""


def eager(family: str) -> PreTrainedModel:
    """Torch counts no fused attention on a CPU."""
    model = tiny_model(family)
    model.set_attn_implementation("eager")
    return model


def added_in_place(_: object, a: torch.Size, b: torch.Size, **further: object) -> int:
    return 2 * a[0] * a[1] * b[1]


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """What torch counts, with the sums in place that it leaves out (the head's gradient in float32)."""
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.addmm_: added_in_place}) as counter:
        yield counter


def unseen(cost: ModelCost, work: Work, width: int) -> int:
    """What torch counts of a forward for tokens that a token does not see: the upper half of the square."""
    return 4 * cost.attention * (work.tokens * width - work.pairs)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_forward_is_what_torch_counts_but_for_what_no_token_sees(family: str) -> None:
    model = eager(family)
    response_log_probs(model, SEQUENCES, 1.0, 1000)
    with counting() as counter:
        response_log_probs(model, SEQUENCES, 1.0, 1000)
    cost, work = cost_of(model), read(SEQUENCES)
    assert work == Work(ROWS * LENGTH, ROWS * LENGTH * (LENGTH + 1) // 2, ROWS * RESPONSE)
    assert counter.get_total_flops() == cost.forward(work) + unseen(cost, work, LENGTH)
    assert cost.forward(work) > 0.95 * counter.get_total_flops(), "and that is little"


@pytest.mark.parametrize("saving_memory", [nullcontext, checkpointed])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_pass_that_trains_is_what_torch_counts(family: str, saving_memory: type[nullcontext[None]]) -> None:
    model = eager(family)
    response_log_probs(model, SEQUENCES, 1.0, 1000)
    with counting() as counter, saving_memory(model):
        scores = score_responses(model, SEQUENCES, 1.0)
        (scores.log_probs.sum() + scores.entropy.sum()).backward()
    cost, work = cost_of(model, saving_memory), read(SEQUENCES)
    passes, not_again = 3, 0
    if saving_memory is checkpointed:
        # Torch stops running a layer again once it has what the backward pass reads, which the last output is not.
        passes, not_again = 4, sum(w.numel() for n, w in model.named_parameters() if n.endswith(LAST_OF_A_LAYER))
    expected = cost.training(work) + passes * unseen(cost, work, LENGTH) - 2 * not_again * work.tokens
    assert counter.get_total_flops() == expected
    layers = Work(work.tokens, work.pairs)
    assert cost.training(layers) == passes * cost.forward(layers), "backward is twice forward"


def test_adapters_save_the_gradients_of_the_weights_below_them() -> None:
    model = eager("qwen2")
    full = cost_of(model)
    add_adapters(model, LoraConfig(rank=4), 0, "/base")
    cost, work = cost_of(model), read(SEQUENCES)
    assert cost.layers == full.layers + cost.learning
    assert cost.learning_head == 0
    response_log_probs(model, SEQUENCES, 1.0, 1000)
    with counting() as counter:
        score_responses(model, SEQUENCES, 1.0).log_probs.sum().backward()
    first = model.model.layers[0].self_attn
    # Nothing below the first layer learns, so torch makes no gradient of what comes into it.
    spared = sum(
        weight.numel() for name, weight in first.named_parameters() if weight.ndim > 1 and "o_proj" not in name
    )
    spared -= sum(w.numel() for n, w in first.named_parameters() if "lora_B" in n and "o_proj" not in n)
    expected = cost.training(work) - 2 * spared * work.tokens
    assert counter.get_total_flops() == expected + 3 * unseen(cost, work, LENGTH)
    assert cost.training(work) < 0.9 * full.training(work)


@pytest.mark.parametrize("family", ["qwen2", "gpt2"])
def test_sampling_is_what_torch_counts_of_the_embedded_engine(family: str) -> None:
    model = eager(family)
    engine = EmbeddedEngine(model, (0, *range(40, 80)), 0, max_rows=64)
    prompts = [(3, 4, 5, 6, 7), (8, 9, 10, 11, 12)]
    with counting() as counter:
        groups = engine.generate(prompts, Sampling(4, 12, 1.0), seed=1)
    lengths = {len(response.token_ids) for group in groups for response in group}
    assert len(lengths) > 2, "or this test shows little"
    cost, work = cost_of(model), sampled(prompts, groups)
    beyond = 4 * cost.attention * 2 * (5 * 5 - 15)
    assert counter.get_total_flops() == cost.forward(work) + beyond


def test_a_tools_answer_goes_through_the_layers_and_not_through_the_head() -> None:
    mask = (True, True, False, False, True)
    answered = Response((5, 6, 7, 8, 9), (-1.0,) * 5, FinishReason.STOP, mask)
    assert sampled([(1, 2)], [[answered]]) == Work(2 + 4, 6 * 7 // 2, 3)
    assert read(Sequences(((1, 2),), (answered.token_ids,), 0, (mask,))) == Work(7, 28, 3)


def test_of_experts_those_count_that_a_token_is_sent_to() -> None:
    shape = {**SHAPE, "vocab_size": 50, "num_local_experts": 8, "num_experts_per_tok": 2}
    cost = cost_of(AutoModelForCausalLM.from_config(MixtralConfig(**shape)))
    attention, router, expert = 32 * 32 * 2 + 2 * 32 * 16, 8 * 32, 3 * 32 * 48
    assert cost.layers == 2 * (attention + router + 2 * expert)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1), st.randoms())
def test_the_count_is_the_same_however_the_rows_are_cut(lengths: list[tuple[int, int]], dice: object) -> None:
    rows = Sequences(tuple((1,) * p for p, _ in lengths), tuple((1,) * r for _, r in lengths), 0)
    order = list(range(len(lengths)))
    dice.shuffle(order)  # type: ignore[attr-defined]
    cut = len(order) // 2
    halves = [read(rows.select(part)) for part in (order[:cut], order[cut:]) if part]
    assert sum(halves, Work()) == read(rows)


CASES: dict[str, dict[str, object]] = {
    "grpo": {},
    "spro": {},
    "spro, two updates": {"train": {"steps": 2, "prompts_per_step": 2, "update_epochs": 2}},
    "prime": {},
    "prime, before": {"prm": {"update": "before"}},
    "prime, old policy": {"reference": {"type": "old_policy"}},
    "ppo": {},
    "ppo, shared": {"critic": {"trunk": "shared"}},
    "ppo, checkpointed": {"model": {"path": "in memory", "gradient_checkpointing": True}},
}
"""Of docs/training.md, its table of forwards."""


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_what_torch_counts(case: str) -> None:
    """But for halves of squares and the head of a critic, which torch counts, and what is not run again after all."""
    model = eager("qwen2")
    config = make_config(**({"credit": CreditConfig(type=case.split(",")[0])} | CASES[case]))
    learner = make_learner(model, config)
    groups = [make_group(index, [0.0, 1.0, 0.0], [6, 6, 6]) for index in range(2)]
    learner.learn(groups, Stopwatch())
    with counting() as counter:
        learned = learner.learn(groups, Stopwatch())
    assert learned.flos == pytest.approx(counter.get_total_flops(), rel=0.03)


def flos(tmp_path: Path, method: str) -> list[float]:
    """Of the steps of a run of a method, whose verifier and engine are scripted."""
    config = scripted_config(steps=2).model_copy(update={"credit": CreditConfig(type=method)})
    done = run(tmp_path / method, config, ["half"] * 6, ["half"] * 4)
    assert all("step_flos" not in line for line in done.lines if line["step"] == 0), "an evaluation is no training"
    totals = [line["total_flos"] for line in done.lines[1:]]
    steps = [line["step_flos"] for line in done.lines[1:]]
    assert totals == [steps[0], steps[0] + steps[1]]
    return steps


def test_what_a_method_does_more_costs_more(tmp_path: Path) -> None:
    grpo, spro, prime, remax, vineppo = (
        flos(tmp_path, method)[0] for method in ("grpo", "spro", "prime", "remax", "vineppo")
    )
    done = run(tmp_path, scripted_config(), ["half"] * 6)
    cost, groups, engine = done.learner.updater.cost, done.learner.seen[0], done.engine
    prompts = [group.prompt.token_ids for group in groups]
    rows = [(group.prompt.token_ids, response.token_ids) for group in groups for response in group.responses]
    work = read(Sequences(*map(tuple, zip(*rows, strict=True)), 0))  # type: ignore[arg-type]
    assert spro - grpo == cost.forward(work), "one forward of the reference"
    assert prime - spro == cost.training(work), "and a reward model that learns"
    greedy = sampled(prompts, engine.generate(prompts, Sampling(1, 8, 0.0), 0))
    assert remax - grpo == cost.forward(greedy), "a greedy answer to each prompt"
    continued = sampled(prompts, engine.generate(prompts, Sampling(9, 8, 1.0), 0))
    assert vineppo - grpo == cost.forward(continued), "nine answers from the start of each response's only step"
