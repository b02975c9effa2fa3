"""The first signal ends a run where nothing is lost, within the time of a token; the second at once."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch

from spro.config import Config
from spro.models import Sequences, load_policy, response_log_probs
from spro.rollout import EmbeddedEngine, Sampling
from spro.train.interrupt import Interrupted, StopRequest, stop_on_signals
from spro.train.stopwatch import Stopwatch
from tests.unit.train.builders import make_config, make_group, make_learner

GROUPS = [make_group(index, [1.0, 0.0]) for index in range(4)]


def test_what_can_be_left_is_left_and_what_was_begun_goes_to_its_end() -> None:
    stop = StopRequest()
    stop.check()
    stop.signal_number = 15
    with pytest.raises(Interrupted):
        stop.check()
    stop.commit()
    stop.check()
    stop.release()
    with pytest.raises(Interrupted):
        stop.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_next_has_its_ordinary_effect(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    stop, ordinary = StopRequest(), [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    caught: list[int] = []
    signal.signal(number, lambda *_: caught.append(number))
    mine = signal.getsignal(number)
    try:
        with stop_on_signals(stop):
            assert not stop
            os.kill(os.getpid(), number)
            assert stop.signal_number == number
            assert caught == []
            assert signal.getsignal(number) is mine
            os.kill(os.getpid(), number)
            assert caught == [number]
        assert signal.getsignal(number) is mine
    finally:
        for each, handler in zip((signal.SIGINT, signal.SIGTERM), ordinary, strict=True):
            signal.signal(each, handler)
    assert "stopping and saving; once more to stop at once" in capfd.readouterr().err


def test_without_a_signal_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signals(StopRequest()):
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


@dataclass
class Passes:
    """Counts the forwards of a model, and asks for a stop in one of them."""

    stop: StopRequest
    stop_in: int
    made: int = field(default=0)

    def __call__(self, *_: object) -> None:
        self.made += 1
        if self.made == self.stop_in:
            self.stop.signal_number = 15


def test_a_rollout_ends_within_a_token() -> None:
    policy, stop = load_policy("builtin:chain", "cpu"), StopRequest()
    passes = Passes(stop, stop_in=7)
    policy.model.register_forward_pre_hook(passes)
    # No token stops a response.
    engine = EmbeddedEngine(policy.model, (), policy.pad_token_id, 64, stop.check)
    with pytest.raises(Interrupted):
        engine.generate([(5, 6)] * 3, Sampling(2, 200, 1.0), seed=0)
    assert passes.made == 7
    stop.signal_number = None
    again = engine.generate([(5, 6)] * 3, Sampling(2, 8, 1.0), seed=0)
    fresh = EmbeddedEngine(load_policy("builtin:chain", "cpu").model, (), policy.pad_token_id, 64)
    assert again == fresh.generate([(5, 6)] * 3, Sampling(2, 8, 1.0), seed=0), "and leaves nothing behind"


def small(**sections: object) -> Config:
    """A response or two a forward."""
    return make_config(train={"micro_batch_tokens": 12}, **sections)


OFF_POLICY = {"train": {"steps": 2, "prompts_per_step": 4, "mini_batches": 2, "micro_batch_tokens": 12}}


@pytest.mark.parametrize(
    "config",
    [
        lambda: small(),
        lambda: small(credit={"type": "grpo"}),
        lambda: small(credit={"type": "prime"}),
        lambda: small(credit={"type": "ppo"}),
        lambda: make_config(**OFF_POLICY),
        lambda: make_config(**OFF_POLICY, credit={"type": "prime"}),
    ],
    ids=["spro", "grpo", "prime", "ppo", "off policy", "prime off policy"],
)
def test_wherever_learning_is_stopped_all_of_it_has_happened_or_nothing(config: Callable[[], Config]) -> None:
    """A stop is asked for in each forward in turn."""
    whole = _states(config(), None)
    forwards = whole.passes.made
    kinds = set()
    for stop_in in range(1, forwards + 1):
        left = _states(config(), stop_in)
        assert _equal(left.behind, whole.behind if left.ended else whole.before), f"in forward {stop_in}"
        assert left.ended or left.passes.made == stop_in, "at once"
        kinds.add(left.ended)
    assert kinds == {True, False}, "or this test shows nothing"


@dataclass(frozen=True)
class Left:
    before: dict[str, torch.Tensor]
    behind: dict[str, torch.Tensor]
    ended: bool
    passes: Passes


def _states(config: Config, stop_in: int | None) -> Left:
    policy, stop = load_policy("builtin:chain", "cpu"), StopRequest()
    learner = make_learner(policy.model, config, stop=stop)
    passes = Passes(stop, stop_in or 0)
    models = [policy.model, *(source.model for source in learner.sources if hasattr(source, "model"))]
    for model in models:
        # Its head is looked for once, by forwards of its own.
        response_log_probs(model, Sequences(((5,),), ((6,),), 0), 1.0, 8)
        model.base_model.register_forward_pre_hook(passes)

    def state() -> dict[str, torch.Tensor]:
        found = {f"policy/{name}": tensor for name, tensor in policy.model.state_dict().items()}
        found |= {f"optimizer/{name}": tensor for name, tensor in learner.updater.optimizer.state().items()}
        for source in learner.sources:
            found |= {f"{source.tensor}/{name}": tensor for name, tensor in source.state().items()}
        return {name: tensor.clone() for name, tensor in found.items()}

    before, ended = state(), True
    try:
        learner.learn(GROUPS, Stopwatch())
    except Interrupted:
        ended = False
    gradients = [weight.grad for model in models for weight in model.parameters()]
    assert ended or all(gradient is None for gradient in gradients), "no gradient waits for the next step"
    return Left(before, state(), ended, passes)


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_skipped_update_is_a_step_of_the_schedule_and_cannot_be_left_half() -> None:
    policy, stop = load_policy("builtin:chain", "cpu"), StopRequest()
    optimizer = make_learner(policy.model, make_config(), stop=stop).updater.optimizer
    optimizer.step(torch.tensor(float("nan")))
    assert optimizer.taken == 1
    assert stop.committed
