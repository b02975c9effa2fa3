"""What a run remembers comes back to the bit."""

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from spro.errors import RunFolderError
from spro.train.generators import random_state, restore_random_state, seed_generators
from spro.train.state import RunState

STATE = RunState(
    step=7,
    cursor=112,
    tokens=12345.0,
    flos=1.2345678901234567e21,
    skipped_in_a_row=1,
    evaluations=((0, {"eval/accuracy": 0.1}), (5, {"eval/accuracy": 1 / 3, "eval/problems": 8})),
    latest={"loss": -0.1 + 1e-17, "kl": None, "tiny": 5e-324, "bad": math.inf},
    pending={"grad_norm": 2 / 3},
    watch={"scores": {"accuracy": {"recent": [0.1, 0.2]}}, "collapse": None},
    initial="abc",
)


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    STATE.save(tmp_path / "state.json")
    assert RunState.load(tmp_path / "state.json") == STATE
    RunState().save(tmp_path / "state.json")
    assert RunState.load(tmp_path / "state.json") == RunState()


def test_a_number_that_is_none_comes_back_as_such(tmp_path: Path) -> None:
    RunState(latest={"loss": math.nan}).save(tmp_path / "state.json")
    loss = RunState.load(tmp_path / "state.json").latest["loss"]
    assert loss is not None
    assert math.isnan(loss)


@pytest.mark.parametrize("change", [{"colour": 3}, {"cursor": ...}])
def test_a_state_of_another_version_is_refused_in_one_line(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "state.json"
    STATE.save(path)
    found = {**json.loads(path.read_text()), "spro_version": "9.9"} | change
    path.write_text(json.dumps({name: value for name, value in found.items() if value is not ...}))
    (name,) = change
    with pytest.raises(RunFolderError, match=f"written by spro 9.9, which keeps '{name}' otherwise") as caught:
        RunState.load(path)
    assert "\n" not in str(caught.value)


def test_an_evaluation_is_one_more_and_the_latest() -> None:
    state = STATE.evaluated({"eval/accuracy": 0.5})
    assert state.evaluations == (*STATE.evaluations, (7, {"eval/accuracy": 0.5}))
    assert state.latest == {**STATE.latest, "eval/accuracy": 0.5}


def draw() -> list[object]:
    """From every generator; a normal number leaves half a pair behind."""
    plain = [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn()]
    return [*plain, torch.rand(3).tolist(), torch.randn(1).tolist()]


def test_every_generator_goes_on_where_it_was() -> None:
    before = random_state()
    try:
        draw()
        kept = {name: tensor.clone() for name, tensor in random_state().items()}
        expected = [draw(), draw()]
        seed_generators(5)
        restore_random_state(kept)
        assert [draw(), draw()] == expected
    finally:
        restore_random_state(before)


def test_the_state_of_the_generators_is_tensors_that_come_back_equal() -> None:
    before = random_state()
    draw()
    restore_random_state(before)
    after = random_state()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor.nan_to_num(), after[name].nan_to_num()), name


def test_a_seed_seeds_them_all() -> None:
    before = random_state()
    try:
        drawn = []
        for seed in (3, 3, 2**63 - 1):
            seed_generators(seed)
            drawn.append(draw())
        assert drawn[0] == drawn[1]
        assert all(one != other for one, other in zip(drawn[0], drawn[2], strict=True))
    finally:
        restore_random_state(before)
