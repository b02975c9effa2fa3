"""What is refused, in one line, and when."""

import functools
from pathlib import Path
from typing import Any

import pytest
import trl
from tiny import by_letters, config, llama, spro_trainer
from trl import GRPOConfig, GRPOTrainer

from spro.credit import GRPO
from spro.errors import ConfigError
from spro.plugins.hosts import TRL
from spro.plugins.trl import SPROTrainer
from spro.plugins.trl.limits import LOSS_TYPES

REFUSED: dict[str, dict[str, Any]] = {
    "loss_type='vespo' is not tested with an advantage a token": {"loss_type": "vespo"},
    "scale_rewards='batch' has no place in SPROTrainer: the credit method scales": {"scale_rewards": "batch"},
    "scale_rewards='none' has no place": {"scale_rewards": "none"},
    "multi_objective_aggregation='normalize_then_sum' has no place": {
        "multi_objective_aggregation": "normalize_then_sum"
    },
    "off_policy_mask_threshold=0.5 has no place": {"off_policy_mask_threshold": 0.5},
    "sync_ref_model=True has no place in SPROTrainer: the reference stays": {"sync_ref_model": True, "beta": 0.1},
    "use_liger_kernel=True has no place": {"use_liger_kernel": True},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_setting_that_would_be_ignored_or_mean_another_thing_is_refused(message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        SPROTrainer("no/such-model", by_letters, config(tmp_path, **REFUSED[message]))
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_the_losses_that_are_not_refused_are_those_of_trl_but_one() -> None:
    named = GRPOConfig.__dataclass_fields__["loss_type"].metadata["help"]
    assert {loss for loss in LOSS_TYPES if f"'{loss}'" in named} == set(LOSS_TYPES)


def test_dropout_is_refused_by_the_name_of_its_module(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.layers\.0\.self_attn has dropout, which would pass for process"):
        spro_trainer(tmp_path, llama(attention_dropout=0.1))


def test_dropout_is_no_matter_to_a_method_that_reads_no_log_probs(tmp_path: Path) -> None:
    spro_trainer(tmp_path, llama(attention_dropout=0.1), given={"credit": GRPO()}, max_steps=1).train()


def test_a_sharded_reference_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = GRPOTrainer.__init__

    @functools.wraps(start)
    def built(self: Any, *args: Any, **kwargs: Any) -> None:
        start(self, *args, **kwargs)
        self.is_fsdp_enabled = True

    monkeypatch.setattr(GRPOTrainer, "__init__", built)
    with pytest.raises(ConfigError, match="reads a reference, whose copy under FSDP or DeepSpeed is not"):
        spro_trainer(tmp_path)
    assert spro_trainer(tmp_path, given={"credit": GRPO()}).reference is None


def test_an_untested_version_is_named_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trl, "__version__", "1.16.9")
    tested = ", ".join(TRL.tested)
    with pytest.warns(UserWarning, match=f"tested with trl {tested}, and this is trl 1.16.9"):
        spro_trainer(tmp_path)


def test_a_trainer_without_a_config_has_trls_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``args`` is optional in TRL; what is passed by place counts as what is passed by name."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="scale_rewards='none'"):
        SPROTrainer("no/such-model", by_letters, args=config(tmp_path, scale_rewards="none"))
    # Of TRL: its own defaults want a GPU, or there is no such model.
    with pytest.raises((ValueError, OSError), match=r"use_cpu|huggingface\.co"):
        SPROTrainer("no/such-model", by_letters)


def test_the_config_keeps_its_penalty_when_the_trainer_cannot_be_built(tmp_path: Path) -> None:
    given = config(tmp_path, beta=0.04)
    with pytest.raises(OSError, match=r"huggingface\.co"):
        SPROTrainer("no/such-model", by_letters, given)
    assert given.beta == 0.04
