"""What a step of learning costs by each method, in one run: the same model, responses, settings and thread.

    python benchmarks/cost.py

Times scoring, credit and update, without the rollout, which is the same for all; the methods take turns, so that a busy
machine slows all. Beside the time, what is held: the weights of all models, and the gradient and two moments of what is
trained. Only the ratios to GRPO mean anything.
"""

import statistics
import time

import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from spro.config import ChainTask, Config, ModelConfig
from spro.loss import NoCorrection
from spro.models import Policy, trainable
from spro.rollout import FinishReason, Response
from spro.tasks import Message, Problem, Prompt
from spro.train.companions import build_sources, find_needs, memory_saver, pick_teacher, policy_optimizer
from spro.train.group import Group
from spro.train.interrupt import StopRequest
from spro.train.judge import Judged
from spro.train.learn import Learner
from spro.train.setup import build_credit, build_surrogate
from spro.train.stopwatch import Stopwatch
from spro.train.update import Updater
from spro.verify import Status, Verdict

VOCABULARY, GROUPS, GROUP_SIZE, LENGTH, ROUNDS = 8192, 4, 4, 128, 5
METHODS = {
    "grpo": {"credit": {"type": "grpo"}},
    "spro": {"credit": {"type": "spro"}},
    "spro, two mini-batches": {"credit": {"type": "spro"}, "train": {"mini_batches": 2}},
    "prime, update after": {"credit": {"type": "prime"}, "prm": {"update": "after"}},
    "prime, update before": {"credit": {"type": "prime"}, "prm": {"update": "before"}},
    "ppo, own trunk": {"credit": {"type": "ppo"}},
    "ppo, shared trunk": {"credit": {"type": "ppo"}, "critic": {"trunk": "shared"}},
}


def make_groups() -> list[Group]:
    """Random responses of different lengths, half of them right."""
    generator = torch.Generator().manual_seed(0)
    problem = Problem("p", (Message(role="user", content="?"),), "1", "chain", "benchmark")

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(2, VOCABULARY, (count,), generator=generator).tolist())

    def judged(i: int) -> Judged:
        return Judged("", Verdict(float(i % 2), Status.CORRECT if i % 2 else Status.WRONG), float(i % 2))

    def response(i: int) -> Response:
        length = LENGTH // 2 + 16 * i
        return Response(tokens(length), (-9.0,) * length, FinishReason.STOP)

    return [
        Group(
            Prompt(problem, tokens(16)),
            tuple(response(i) for i in range(GROUP_SIZE)),
            tuple(judged(i) for i in range(GROUP_SIZE)),
        )
        for _ in range(GROUPS)
    ]


def make_learner(model: PreTrainedModel, sections: dict[str, dict[str, object]]) -> Learner:
    """What ``spro train`` would build of these settings."""
    shared = {"steps": 100, "prompts_per_step": GROUPS}
    config = Config.model_validate({
        "model": ModelConfig(path="in memory"),
        "task": ChainTask(type="chain"),
        "rollout": {"max_prompt_length": 16, "max_response_length": LENGTH},
        **sections,
        "train": shared | sections.get("train", {}),
    })  # fmt: skip
    method, stop = build_credit(config.credit), StopRequest()
    teacher = pick_teacher(config, method)
    needs = find_needs(config, method, teacher)
    sources = build_sources(config, model, needs, method, stop)
    optimizer = policy_optimizer(config, model, needs, stop)
    surrogate = build_surrogate(config.loss)
    updater = Updater(model, surrogate, NoCorrection(), config, optimizer, memory_saver(config))
    policy = Policy(model, None, (0,), 0, "in memory")  # type: ignore[arg-type]  # nothing is tokenized
    return Learner(config, policy, needs, sources, method, teacher, updater)


def held_bytes(learner: Learner) -> int:
    """Weights of all models; gradient and two moments of what is trained."""
    trained = {id(weight): weight for _, weight in trainable(learner.policy.model)}
    held = dict(trained)
    for source in learner.sources:
        if hasattr(source, "reference"):
            with source.reference.ready() as model:
                held |= {id(weight): weight for weight in model.parameters()}
        if hasattr(source, "optimizer"):
            trained |= {id(weight): weight for weight in source.optimizer.weights.values()}
    held |= trained
    return sum(weight.nbytes for weight in held.values()) + 3 * sum(weight.nbytes for weight in trained.values())


def main() -> None:
    """Let the methods take turns and print what they took."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=768, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, eos_token_id=1, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    groups = make_groups()
    learners = {}
    for name, sections in METHODS.items():
        torch.manual_seed(0)
        learners[name] = make_learner(Qwen2ForCausalLM(config).eval(), sections)
    seconds: dict[str, list[float]] = {name: [] for name in learners}
    for turn in range(ROUNDS + 1):
        for name, learner in learners.items():
            start = time.process_time()
            learner.learn(groups, Stopwatch())
            if turn:
                seconds[name].append(time.process_time() - start)
    print(f"{'method':24} {'time / grpo':>22} {'bytes held / grpo':>18}")
    for name, learner in learners.items():
        ratios = [own / base for own, base in zip(seconds[name], seconds["grpo"], strict=True)]
        held = held_bytes(learner) / held_bytes(learners["grpo"])
        print(f"{name:24} {statistics.median(ratios):6.2f} ({min(ratios):.2f} to {max(ratios):.2f}) {held:14.2f}")


if __name__ == "__main__":
    main()
