"""Every part of a run that has a state: out of it, into another process, to the bit."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from spro.config import Config
from spro.errors import RunFolderError
from spro.models import Policy, load_policy
from spro.train.learn import Learner
from spro.train.saving import Saving, fingerprint
from spro.train.state import RunState
from spro.train.stopwatch import Stopwatch
from tests.unit.train.builders import make_config, make_group, make_learner

METHODS = {
    "spro": {},
    "moving": {"reference": {"type": "ema", "decay": 0.5}},
    "prime": {"credit": {"type": "prime"}, "prm": {"learning_rate": 1e-3}},
    "ppo": {"credit": {"type": "ppo"}, "critic": {"learning_rate": 1e-3}},
    "half": {"credit": {"type": "grpo"}},
}
GROUPS = [make_group(0, [1.0, 0.0, 1.0]), make_group(1, [0.0, 1.0, 0.0])]


def parts(name: str) -> tuple[Learner, Saving]:
    config: Config = make_config(**METHODS[name])
    policy = load_policy("builtin:chain", "cpu", "bfloat16" if name == "half" else "float32")
    learner = make_learner(policy.model, config)
    return learner, Saving(policy, learner.updater.optimizer, learner.sources)


def tensors_of(learner: Learner) -> dict[str, Tensor]:
    found = {f"policy/{name}": tensor for name, tensor in learner.policy.model.state_dict().items()}
    found |= {f"optimizer/{name}": tensor for name, tensor in learner.updater.optimizer.state().items()}
    for source in learner.sources:
        found |= {f"{source.tensor}/{name}": tensor for name, tensor in source.state().items()}
    return {name: tensor.clone() for name, tensor in found.items()}


def step(learner: Learner, number: int) -> None:
    learner.learn(GROUPS, Stopwatch())
    learner.follow(number)


@pytest.mark.parametrize("name", METHODS)
def test_what_was_saved_becomes_the_parts_of_another_process_and_they_go_on_alike(tmp_path: Path, name: str) -> None:
    learner, saving = parts(name)
    initial = fingerprint(learner.policy.model)
    step(learner, 1)
    state = RunState(step=1, initial=initial)
    saving.write(tmp_path, state)
    expected = tensors_of(learner)
    step(learner, 2)
    behind = tensors_of(learner)

    again, reading = parts(name)
    assert reading.read(tmp_path, RunState(initial=fingerprint(again.policy.model))) == state
    found = tensors_of(again)
    assert found.keys() == expected.keys()
    assert [key for key in expected if not torch.equal(found[key], expected[key])] == []
    step(again, 2)
    assert [key for key, tensor in tensors_of(again).items() if not torch.equal(tensor, behind[key])] == []
    assert any(not torch.equal(behind[key], expected[key]) for key in expected), "or this test shows nothing"


@pytest.mark.parametrize("name", METHODS)
def test_the_size_is_that_of_what_is_written(tmp_path: Path, name: str) -> None:
    learner, saving = parts(name)
    step(learner, 1)
    saving.write(tmp_path, RunState())
    written = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
    assert written < 1.2 * saving.size()
    assert saving.size() < 1.2 * written


def test_a_checkpoint_of_other_parts_is_refused(tmp_path: Path) -> None:
    learner, saving = parts("spro")
    initial = fingerprint(learner.policy.model)
    step(learner, 1)
    saving.write(tmp_path, RunState(step=1, initial=initial))
    with pytest.raises(RunFolderError, match="has no state of prm_log_probs"):
        parts("prime")[1].read(tmp_path, RunState(initial=initial))


def test_a_checkpoint_of_a_run_that_began_from_another_model_is_refused(tmp_path: Path) -> None:
    learner, saving = parts("spro")
    saving.write(tmp_path, RunState(step=1, initial="float32 another", data="some"))
    before = tensors_of(learner)
    own = fingerprint(learner.policy.model)
    with pytest.raises(RunFolderError, match=r"the run began from another model than is in .*assets/chain' now"):
        saving.read(tmp_path, RunState(initial=own))
    with pytest.raises(RunFolderError, match="weights in float32, and here they are in bfloat16: set model"):
        saving.read(tmp_path, RunState(initial="bfloat16 another"))
    with pytest.raises(RunFolderError, match="the problems are not those that the run was begun with"):
        saving.read(tmp_path, RunState(initial="float32 another", data="other"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors_of(learner).items())


def test_a_folder_with_a_model_alone_is_refused(tmp_path: Path) -> None:
    saving = parts("spro")[1]
    saving.write(tmp_path, RunState())
    (tmp_path / "training/state.json").unlink()
    with pytest.raises(RunFolderError, match="keeps a model and no state to go on from"):
        saving.read(tmp_path, RunState())


def test_a_fingerprint_tells_models_apart() -> None:
    policy: Policy = load_policy("builtin:chain", "cpu")
    first = fingerprint(policy.model)
    assert first == fingerprint(load_policy("builtin:chain", "cpu").model)
    weight = policy.model.get_output_embeddings().weight
    with torch.no_grad():
        weight[0, 0] += 1e-3
    assert fingerprint(policy.model) != first
    with torch.no_grad():
        weight[0, 0] -= 1e-3
    half = load_policy("builtin:chain", "cpu", "bfloat16")
    assert fingerprint(half.model) != first
