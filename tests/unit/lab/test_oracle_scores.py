"""Scores of methods of which the truth is known."""

from dataclasses import MISSING, dataclass, fields
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from spro.credit import METHODS, Method, TokenBatch
from spro.errors import ConfigError
from spro.lab.oracle.config import BLOCKS, parse_config
from spro.lab.oracle.drift import warm_start
from spro.lab.oracle.experience import Recipe, Scene, Vine, batch_gradients
from spro.lab.oracle.samples import Sampler
from spro.lab.oracle.score import Estimate
from spro.lab.oracle.study import run_study, score_methods, stated_method
from spro.lab.oracle.table import written
from spro.lab.oracle.truth import exact_truth
from spro.lab.oracle.world import arithmetic_world
from spro.settings import dump_config
from tests.strategies import default_method
from tests.unit.lab.enumeration import all_responses, padded, random_policy, tiny_world


@dataclass(frozen=True)
class Oracle(Method):
    """The true advantage, ``factor`` times, from an exact critic."""

    factor: float = 1.0
    name: ClassVar[str] = "oracle"
    needs: ClassVar[frozenset[str]] = frozenset({"step_rewards", "values"})

    def terms(self, batch: TokenBatch) -> dict[str, Tensor]:
        behind = (batch.step_rewards + 1) / 2
        return {"outcome": self.factor * (behind - batch.values).masked_fill(~batch.response_mask, 0.0)}


@dataclass(frozen=True)
class Tilted(Method):
    """RLOO plus a bonus on one token, whatever it does: biased by construction."""

    name: ClassVar[str] = "tilted"
    needs: ClassVar[frozenset[str]] = frozenset({"token_ids"})

    def terms(self, batch: TokenBatch) -> dict[str, Tensor]:
        bonus = 0.5 * (batch.token_ids == 0) * batch.response_mask
        return {"outcome": METHODS["rloo"]()(batch) + bonus}


@dataclass(frozen=True)
class Demanding(Method):
    """Asks for a value that no method of the library leaves without a default."""

    std_eps: float
    name: ClassVar[str] = "demanding"

    def terms(self, batch: TokenBatch) -> dict[str, Tensor]:
        return {"outcome": METHODS["rloo"]()(batch)}


@pytest.fixture(scope="module")
def scores() -> dict[str, dict[str, Estimate]]:
    generator = torch.Generator().manual_seed(0)
    world = arithmetic_world(4, 4, generator)
    reference = warm_start(world, 0.4, generator)
    scene = Scene(world, exact_truth(world, reference), reference, reference)
    methods = {
        "rloo": METHODS["rloo"](),
        "oracle": Oracle(),
        "tripled": Oracle(3.0),
        "backwards": Oracle(-1.0),
        "tilted": Tilted(),
        "silent": METHODS["spro_process"](),
        "vineppo": METHODS["vineppo"](),
    }
    sampler = Sampler(scene.truth.policy, generator)
    return score_methods(methods, scene, Recipe(groups=16, group_size=4), 400, sampler, Vine(sampler, 4))


def test_the_true_advantage_scores_full_marks(scores: dict[str, dict[str, Estimate]]) -> None:
    for name in ("oracle", "tripled"):
        own = scores[name]
        assert own["correlation"].value == pytest.approx(1)
        assert own["inside"].value == pytest.approx(1)
        assert own["sign"].value == 1
        assert own["silent"].value == 0
        assert own["bias"].is_floored
        assert own["noise_ratio"].value < 0.5


def test_scale_is_told_from_bias(scores: dict[str, dict[str, Estimate]]) -> None:
    scale, bias = scores["tripled"]["scale"], scores["tripled"]["unscaled_bias"]
    assert scale.value == pytest.approx(3, abs=5 * scale.error)
    assert bias.value == pytest.approx(2, abs=5 * bias.error)
    assert scores["tripled"]["noise"].value == pytest.approx(scores["oracle"]["noise"].value)


def test_an_unbiased_method_shows_no_bias_and_a_biased_one_does(scores: dict[str, dict[str, Estimate]]) -> None:
    for name in ("rloo", "vineppo"):
        assert scores[name]["unscaled_bias"].is_floored
        assert scores[name]["scale"].value == pytest.approx(1, abs=5 * scores[name]["scale"].error)
    tilted = scores["tilted"]["bias"]
    assert not tilted.is_floored
    assert tilted.value > 5 * tilted.error


def test_a_bias_that_is_known_is_measured() -> None:
    """RLOO is exact in expectation, so the bias of `Tilted` is the gradient of its bonus: over all responses."""
    world = tiny_world()
    policy = random_policy(world, 0)
    scene = Scene(world, exact_truth(world, policy), policy, policy)
    exact = scene.truth.gradient.flatten()
    expected = exact.clone()
    for prompt in range(world.prompts):
        responses = all_responses(world, prompt)
        registers, tokens = (padded([getattr(r, name) for r in responses], 3) for name in ("registers", "tokens"))
        mask = padded([[1] * len(r.tokens) for r in responses], 3)
        cells = world.cells(torch.tensor(prompt), torch.arange(3), registers)
        bonus = 0.5 * (tokens == 0) * mask.double()
        probs = torch.stack([r.log_prob(policy.log_probs, prompt).exp() for r in responses])
        expected += probs @ batch_gradients(policy, cells[:, None], tokens[:, None], bonus[:, None]) / world.prompts
    scale = expected @ exact / (exact @ exact)
    known = {
        "scale": scale,
        "bias": (expected - scale * exact).norm() / (scale * exact).norm(),
        "unscaled_bias": (expected - exact).norm() / exact.norm(),
        "cosine": torch.nn.functional.cosine_similarity(expected, exact, dim=0),
    }

    sampler = Sampler(policy, torch.Generator().manual_seed(1))
    methods = {"rloo": METHODS["rloo"](), "tilted": Tilted()}
    own = score_methods(methods, scene, Recipe(groups=32, group_size=4), 400, sampler)["tilted"]
    for name, value in known.items():
        assert own[name].value == pytest.approx(float(value), abs=5 * own[name].error)
        assert own[name].error < 0.04 * abs(float(value))


def test_what_has_no_meaning_has_no_value(scores: dict[str, dict[str, Estimate]]) -> None:
    assert scores["silent"]["correlation"].value is None
    assert scores["silent"]["silent"].value == 1
    assert scores["silent"]["noise"].value is None
    assert scores["rloo"]["inside"].value is None
    assert scores["backwards"]["cosine"].value < -0.99
    assert scores["backwards"]["sign"].value == 0
    assert scores["backwards"]["bias"].value is None


def test_noise_is_counted_in_units_of_rloo(scores: dict[str, dict[str, Estimate]]) -> None:
    assert scores["rloo"]["noise_ratio"].value == pytest.approx(1)
    assert scores["oracle"]["noise_ratio"].value < scores["vineppo"]["noise_ratio"].value < 1


def test_every_method_is_scored_and_no_score_depends_on_what_else_is_scored() -> None:
    quick = ["prompts=2", "groups=4", "batches=20", "vine_samples=2", "length=3", "lengths=", "drift=0.2"]
    every = list(run_study(parse_config([*quick, "drifts=", "group_sizes="])))
    assert [[row.method for row in result.rows] for result in every] == [list(METHODS)]

    for names in ({"rloo", "spro"}, {"rloo", "vineppo"}, {"rloo", "prime", "ppo"}):
        few = [*quick, f"methods={','.join(names)}", "drifts=0", "group_sizes=2"]
        results = list(run_study(parse_config(few)))
        assert [(r.setting.group_size, r.setting.drift) for r in results] == [(4, 0.0), (2, 0.2), (4, 0.2)]
        assert results[2].setting == every[0].setting
        assert results[2].rows == tuple(row for row in every[0].rows if row.method in names)


@pytest.mark.parametrize("name", METHODS)
def test_a_required_hyper_parameter_has_a_stated_value(name: str) -> None:
    assert type(stated_method(name, 6)) is type(default_method(name))


def test_the_length_is_all_that_the_oracle_states(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {f.name for method in METHODS.values() for f in fields(method) if f.default is MISSING}
    assert asked == {"max_response_length"}
    monkeypatch.setattr("spro.lab.oracle.study.METHODS", {"demanding": Demanding})
    with pytest.raises(ConfigError, match="the oracle states no std_eps for the method 'demanding'"):
        stated_method("demanding", 6)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("bathces=20", "unknown key 'bathces'; did you mean 'batches'?"),
        ("methods=spro,grppo", "methods: unknown method 'grppo'; did you mean 'grpo'?"),
        ("seed=x", "seed is 'x': input should be a valid integer, unable to parse string as an integer"),
        ("batches=30", f"batches is 30, which is no multiple of {BLOCKS}"),
        ("groups=12", "groups is 12, which is no multiple of prompts=8"),
        ("group_sizes=1,2", "group_sizes is '1': input should be greater than or equal to 2"),
        ("quick", "cannot read 'quick'; settings are written key=value, for example batches=1000"),
    ],
)
def test_a_wrong_setting_is_one_line(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config([word])
    assert str(raised.value) == message


def test_lists_are_written_with_commas_and_rloo_is_always_there() -> None:
    config = parse_config(["methods=spro, grpo", "lengths=3,5", "drifts="])
    assert config.method_names == ("grpo", "rloo", "spro")
    assert (config.lengths, config.drifts) == ((3, 5), ())
    assert parse_config(["methods=[spro, grpo]", "lengths=[3,5]", "drifts=[]"]) == config
    assert parse_config(["methods=spro", "drifts=0", "lengths=3"]).drifts == (0.0,)
    assert "lengths:\n- 3\n- 5\n" in dump_config(config)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(None), "-"),
        (Estimate(0.01, None, 0.034), "<0.03"),
        (Estimate(0.5, 0.003, 0.1), "0.500"),
        (Estimate(8.07, 0.04), "8.07"),
    ],
)
def test_numbers_are_written_as_exactly_as_they_are_known(estimate: Estimate, text: str) -> None:
    assert written(estimate) == text
