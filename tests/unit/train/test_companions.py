"""What each credit method makes a run hold, and in which lessons it is taught."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from spro.config import (
    Config,
    CreditConfig,
    CriticConfig,
    EmaReference,
    FrozenReference,
    LossConfig,
    ModelConfig,
    OldPolicyReference,
    OptimizerConfig,
    PeriodicReference,
    PrmConfig,
    ReferenceConfig,
)
from spro.credit import METHODS, PRIME, Method, TokenBatch
from spro.errors import ConfigError
from spro.models import checkpointed
from spro.train.companions import build_sources, find_needs, memory_saver, pick_teacher, policy_optimizer
from spro.train.critic import Critic
from spro.train.interrupt import StopRequest
from spro.train.lessons import GroupLessons, KnownLessons, OnPolicyLessons, Teacher
from spro.train.log_probs import OldLogProbs, RefLogProbs
from spro.train.reward_model import RewardModel
from spro.train.source import Source
from spro.train.stopwatch import Stopwatch
from tests.models import tiny_model
from tests.strategies import default_method
from tests.unit.train.builders import make_config, make_group, make_learner, move

OUTCOME = dict.fromkeys(
    ["dr_grpo", "gpg", "gpg_verl", "grpo", "opo", "reinforce_plus_plus_baseline", "rloo"], (OnPolicyLessons, "")
)
OWN_RATIO = dict.fromkeys(
    [
        "spro", "spro_all_tokens", "spro_clipped", "spro_gated", "spro_leave_one_out", "spro_process",
        "spro_step_whitened", "spro_suffix",
    ],
    (GroupLessons, "ref_log_probs"),
)  # fmt: skip
OWN_RATIO_OF_BATCH = dict.fromkeys(
    ["reinforce_plus_plus", "spro_control_variate", "spro_scaled", "spro_whitened"],
    (KnownLessons, "old_log_probs ref_log_probs"),
)
REWARD_MODEL = dict.fromkeys(
    ["prime", "prime_repository", "prime_recipe"], (OnPolicyLessons, "prm_log_probs ref_log_probs")
)
OTHERS = {
    "lambda_grpo": (OnPolicyLessons, "token_ids"),
    "ppo": (OnPolicyLessons, "values"),
    "ppo_kl": (KnownLessons, "old_log_probs ref_log_probs values"),
    "remax": (OnPolicyLessons, "greedy_rewards"),
    "spro_steps": (GroupLessons, "ref_log_probs step_ids"),
    "vineppo": (OnPolicyLessons, "step_ids step_mask step_values"),
}
ON_POLICY: dict[str, tuple[Teacher, str]] = OUTCOME | OWN_RATIO | OWN_RATIO_OF_BATCH | REWARD_MODEL | OTHERS
JUDGED = ["grpo_process", "pure", "pure_step_baseline", "pure_return_baseline", "pure_strict"]
"""They read the rewards of steps, which nothing here gives."""


def config_of(credit: str, reference: ReferenceConfig | None = None, kl_loss_coef: float = 0.0, **train: int) -> Config:
    return make_config(
        train,
        credit=CreditConfig(type=credit),
        reference=reference or FrozenReference(),
        loss=LossConfig(kl_loss_coef=kl_loss_coef),
    )


def needs_of(credit: str, reference: ReferenceConfig | None = None, **settings: float) -> set[str]:
    config, method = config_of(credit, reference, **settings), default_method(credit)  # type: ignore[arg-type]
    return set(find_needs(config, method, pick_teacher(config, method)))


def sources_of(config: Config) -> tuple[Source, ...]:
    return make_learner(tiny_model("qwen2"), config).sources


# Needs and teachers


def test_the_tables_name_every_method() -> None:
    assert sorted([*ON_POLICY, *JUDGED]) == sorted(METHODS)


@pytest.mark.parametrize("credit", ON_POLICY)
def test_on_policy(credit: str) -> None:
    teacher, needs = ON_POLICY[credit]
    assert pick_teacher(config_of(credit), default_method(credit)) is teacher
    assert needs_of(credit) == set(needs.split())


@pytest.mark.parametrize("train", [{"update_epochs": 2}, {"mini_batches": 2}], ids=["epochs", "mini-batches"])
@pytest.mark.parametrize("credit", ON_POLICY)
def test_off_policy_the_old_log_probs_are_scored_whatever_the_method(credit: str, train: dict[str, int]) -> None:
    _, needs = ON_POLICY[credit]
    assert pick_teacher(config_of(credit, **train), default_method(credit)) is KnownLessons
    assert needs_of(credit, **train) == {*needs.split(), "old_log_probs"}


@pytest.mark.parametrize("credit", ["spro", "grpo", "ppo_kl"])
@pytest.mark.parametrize(("tokens", "fits"), [(40, True), (39, False)])
def test_the_largest_group_that_can_be_decides(credit: str, tokens: int, fits: bool) -> None:
    """Four responses of a prompt of at most 2 and a response of at most 8 tokens."""
    teacher, needs = ON_POLICY[credit]
    expected = KnownLessons if teacher is GroupLessons and not fits else teacher
    assert pick_teacher(config_of(credit, micro_batch_tokens=tokens), default_method(credit)) is expected
    scored = {"old_log_probs"} if expected is KnownLessons else set()
    assert needs_of(credit, micro_batch_tokens=tokens) == set(needs.split()) | scored


@pytest.mark.parametrize("credit", JUDGED)
def test_a_method_that_wants_a_judge_of_steps_is_refused_in_one_line(credit: str) -> None:
    with pytest.raises(ConfigError) as refused:
        needs_of(credit)
    assert str(refused.value) == (
        "the credit method needs step_rewards, which this trainer cannot make; choose another credit.type "
        "(spro methods says what each needs)"
    )


def test_a_kl_penalty_needs_a_reference() -> None:
    assert needs_of("grpo", kl_loss_coef=0.1) == {"ref_log_probs"}
    assert needs_of("ppo", kl_loss_coef=0.1) == {"ref_log_probs", "values"}


@dataclass(frozen=True)
class RawPRM(Method):
    """Reads the reward model's log-probs and no reference."""

    name: ClassVar[str] = "raw_prm"
    needs: ClassVar[frozenset[str]] = frozenset({"prm_log_probs"})

    def terms(self, batch: TokenBatch) -> dict[str, torch.Tensor]:
        return {"raw": batch.require("prm_log_probs", self.name).clone()}


def test_a_reward_model_needs_a_reference_even_if_the_method_does_not() -> None:
    config, method = config_of("grpo"), RawPRM()
    needs = find_needs(config, method, pick_teacher(config, method))
    assert needs == {"prm_log_probs", "ref_log_probs"}
    sources = build_sources(config, tiny_model("qwen2"), needs, method, StopRequest())
    assert [type(source) for source in sources] == [RefLogProbs, RewardModel]


# A reference that nobody reads

MOVING = [PeriodicReference(type="periodic", every=2), EmaReference(type="ema"), OldPolicyReference(type="old_policy")]


@pytest.mark.parametrize("credit", ["grpo", "ppo"])
@pytest.mark.parametrize("reference", MOVING, ids=lambda reference: reference.type)
def test_a_reference_that_nothing_reads_is_refused_in_one_line(credit: str, reference: ReferenceConfig) -> None:
    with pytest.raises(ConfigError) as refused:
        needs_of(credit, reference)
    assert str(refused.value) == (
        f"reference.type is {reference.type!r}, and nothing reads a reference: credit.type {credit!r} does not need "
        "one, and loss.kl_loss_coef is 0"
    )


@pytest.mark.parametrize("reference", [FrozenReference(), *MOVING], ids=lambda reference: reference.type)
def test_a_reference_that_something_reads_is_held(reference: ReferenceConfig) -> None:
    assert "ref_log_probs" in needs_of("prime", reference)
    for credit in ("spro", "ppo_kl"):
        if reference.type == "old_policy":
            with pytest.raises(ConfigError, match=r"whose log-ratio to the policy is 0, and credit.type"):
                needs_of(credit, reference)
        else:
            assert "ref_log_probs" in needs_of(credit, reference)
    if reference.type != "old_policy":
        assert "ref_log_probs" in needs_of("grpo", reference, kl_loss_coef=0.1)


@pytest.mark.parametrize("changed", [{"device": "cpu"}, {"weights": "int8"}])
def test_the_form_of_a_reference_that_nothing_reads_is_refused(changed: dict[str, str]) -> None:
    ((key, value),) = changed.items()
    with pytest.raises(ConfigError, match=f"reference.{key} is '{value}', and nothing reads a reference"):
        needs_of("grpo", FrozenReference(**changed))
    assert "ref_log_probs" in needs_of("spro", FrozenReference(**changed))


def test_a_head_start_of_a_critic_that_there_is_not_is_refused() -> None:
    config = make_config({"steps": 5}, credit={"type": "grpo"}, critic={"head_start": 2})
    method = METHODS["grpo"]()
    with pytest.raises(ConfigError, match=r"critic.head_start is 2, and credit.type 'grpo' has no critic"):
        find_needs(config, method, pick_teacher(config, method))
    assert needs_of("grpo") == set()


# What is held

HELD = {
    "grpo": [],
    "spro": [RefLogProbs],
    "spro_whitened": [OldLogProbs, RefLogProbs],
    "prime": [RefLogProbs, RewardModel],
    "ppo": [Critic],
    "ppo_kl": [OldLogProbs, RefLogProbs, Critic],
    "vineppo": [],
}


@pytest.mark.parametrize("credit", HELD)
def test_nothing_is_held_but_what_is_needed_and_in_the_order_in_which_it_is_read(credit: str) -> None:
    assert [type(source) for source in sources_of(config_of(credit))] == HELD[credit]


def test_models_beside_the_policy_are_made_from_it_and_are_not_it() -> None:
    model = tiny_model("qwen2")
    reference, reward_model = make_learner(model, config_of("prime")).sources
    assert isinstance(reference, RefLogProbs)
    assert isinstance(reward_model, RewardModel)
    with reference.reference.ready() as frozen:
        for other in (frozen, reward_model.model):
            assert other is not model
            for own, copied in zip(model.parameters(), other.parameters(), strict=True):
                assert torch.equal(own, copied)
                assert own.data_ptr() != copied.data_ptr()


def test_with_the_old_policy_as_reference_prime_compares_with_the_policy_of_the_step() -> None:
    """At a policy that has moved, in two steps: what is read as the reference is the policy before its update."""
    groups = [make_group(i, [1.0, 0.0, 0.5, 0.0], [5, 3, 4, 2]) for i in range(5)]
    model = tiny_model("qwen2")
    one = make_learner(model, config_of("prime", OldPolicyReference(type="old_policy")))
    move(model)
    seen = []
    for _ in range(2):
        batch = one.learn(groups, Stopwatch()).experience.batch
        old, ref = batch.require("old_log_probs", "test"), batch.require("ref_log_probs", "test")
        torch.testing.assert_close(old, ref, rtol=0, atol=1e-5)
        seen.append(ref)
    assert (seen[0] - seen[1]).abs().max() > 1e-4
    frozen = make_learner(tiny_model("qwen2"), config_of("prime"))
    move(frozen.policy.model)
    batch = frozen.learn(groups, Stopwatch()).experience.batch
    assert (batch.require("old_log_probs", "test") - batch.require("ref_log_probs", "test")).abs().max() > 1e-2
    assert PRIME.needs == {"prm_log_probs", "ref_log_probs"}


# Their settings


def rates(config: Config, credit: str, steps: int) -> tuple[list[float], list[float]]:
    """Learning rate of the policy and of the model beside it, at each optimizer step of its own."""
    sections = config.model_copy(update={"credit": CreditConfig(type=credit)})
    one = make_learner(tiny_model("qwen2"), sections)
    beside = one.sources[-1]
    assert isinstance(beside, RewardModel | Critic)
    both = (one.updater.optimizer, beside.optimizer)
    return tuple([each.full_rate * each.schedule(step) for step in range(steps)] for each in both)  # type: ignore[return-value]


def test_each_model_has_its_own_rate_and_its_own_number_of_steps() -> None:
    config = make_config(
        {"steps": 4},
        optimizer=OptimizerConfig(learning_rate=1.0, decay="constant", warmup_steps=2),
        prm=PrmConfig(learning_rate=0.1, decay="cosine", mini_batches=2),
        critic=CriticConfig(learning_rate=0.01, decay="cosine", update_epochs=2, mini_batches=2, warmup_steps=4),
    )
    policy, prm = rates(config, "prime", 9)
    assert policy == pytest.approx([0.5] + [1.0] * 8)
    assert (prm[0], prm[4], prm[8]) == pytest.approx((0.1, 0.05, 0.0), abs=1e-9)
    assert prm[7] > 0
    _, critic = rates(config, "ppo", 17)
    assert critic[:4] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    assert (critic[10], critic[16]) == pytest.approx((0.005, 0.0), abs=1e-9)


def test_the_policy_waits_for_a_critic_only_where_there_is_one() -> None:
    config = make_config(
        {"steps": 4, "update_epochs": 2, "mini_batches": 3},
        optimizer=OptimizerConfig(decay="constant", learning_rate=1.0),
        critic=CriticConfig(head_start=2),
    )
    for needs, held in ((frozenset({"values"}), 12), (frozenset({"ref_log_probs"}), 0)):
        optimizer = policy_optimizer(config, tiny_model("qwen2"), needs, StopRequest())
        assert [optimizer.schedule(step) for step in range(24)] == [0.0] * held + [1.0] * (24 - held)


@pytest.mark.parametrize(("set_to", "saver"), [(True, checkpointed), (False, nullcontext)])
def test_layers_are_computed_again_where_that_is_set(set_to: bool, saver: object) -> None:
    config = make_config(model=ModelConfig(path="in memory", gradient_checkpointing=set_to))
    assert memory_saver(config) is saver
