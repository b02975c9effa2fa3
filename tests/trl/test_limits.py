"""What is refused, in one line, and when."""

import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tiny import by_letters, config, llama, moved, scored_once, spro_trainer, tokenizer
from trl import GRPOConfig, GRPOTrainer

from spro.credit import GRPO
from spro.errors import ConfigError
from spro.plugins.hosts import TRL, Host
from spro.plugins.trl import AccuracyFilter, AccuracyWindow, SPROTrainer
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
    "top_p=0.9 has no place in SPROTrainer: log-probs are of the whole distribution": {"top_p": 0.9},
    "top_k=5 has no place": {"top_k": 5},
    "min_p=0.1 has no place": {"min_p": 0.1},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_setting_that_would_be_ignored_or_mean_another_thing_is_refused(message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        SPROTrainer("no/such-model", by_letters, config(tmp_path, **REFUSED[message]))
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("wrong", [2, True, "x", AccuracyFilter, AccuracyWindow()])
def test_what_is_no_filter_is_refused(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"accuracy_filter is .*; give an AccuracyFilter\(\), or leave it out"):
        SPROTrainer("no/such-model", by_letters, config(tmp_path), accuracy_filter=wrong)


def test_what_is_no_window_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"window is \(0.2, 0.8\); give an AccuracyWindow"):
        AccuracyFilter(window=(0.2, 0.8))


def test_the_losses_that_are_not_refused_are_those_of_trl_but_one() -> None:
    told = GRPOConfig.__dataclass_fields__["loss_type"].metadata["help"]
    known = re.findall(r"'(\w+)'", told.partition("Supported values are ")[2].partition(".")[0])
    assert sorted(LOSS_TYPES) == sorted({*known} - {"vespo"})
    assert "vespo" in known


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
    monkeypatch.setattr(Host, "version", lambda host: "1.16.9")
    tested = ", ".join(TRL.tested)
    with pytest.warns(UserWarning, match=rf"trl 1.16.9 is untested with spro \(tested: {tested}\)"):
        spro_trainer(tmp_path)


def test_a_config_counts_by_place_and_by_name(tmp_path: Path) -> None:
    given = config(tmp_path, scale_rewards="none")
    for args, kwargs in (((given,), {}), ((), {"args": given})):
        with pytest.raises(ConfigError, match="scale_rewards='none'"):
            SPROTrainer("no/such-model", by_letters, *args, **kwargs)


def test_a_trainer_without_a_config_has_the_defaults_of_trl_and_our_credit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # TRL's own defaults want a GPU.
    monkeypatch.setattr("trl.trainer.grpo_trainer.GRPOConfig", lambda folder: config(tmp_path))
    data = Dataset.from_list([{"prompt": "abc"}] * 2)
    given = {"train_dataset": data, "processing_class": tokenizer()}
    trainer = SPROTrainer(llama(), by_letters, **given)
    moved(trainer.model)
    assert scored_once(trainer)["advantages"].shape[1] > 1
    assert trainer._metrics["train"]["credit/msa_std"][0] > 0
    with pytest.raises(ConfigError, match="train_dataset has 2 prompts, and one step rolls out 4"):
        SPROTrainer(llama(), by_letters, accuracy_filter=AccuracyFilter(), **given)


def test_groups_across_processes_are_refused_to_the_filter_before_a_model_is_loaded(tmp_path: Path) -> None:
    given = config(tmp_path)
    # As one of two processes has it.
    given.per_device_train_batch_size = 6
    with pytest.raises(ConfigError, match="the accuracy filter wants whole groups in each process, and 6 responses"):
        SPROTrainer("no/such-model", by_letters, given, accuracy_filter=AccuracyFilter())


def test_a_missing_trl_is_named_with_the_versions_that_are_tested() -> None:
    code = """
import sys
sys.modules["trl"] = None
from spro.plugins import hosts
object.__setattr__(hosts.TRL, "tested", ("7.1", "7.2"))
import spro.plugins.trl
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=1800, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("needs trl (tested: 7.1, 7.2), which is not installed: pip install 'spro[trl]'")
    assert "ConfigError" in last


def test_the_config_keeps_its_penalty_when_the_trainer_cannot_be_built(tmp_path: Path) -> None:
    given = config(tmp_path, beta=0.04)
    with pytest.raises(OSError, match=r"huggingface\.co"):
        SPROTrainer("no/such-model", by_letters, given)
    assert given.beta == 0.04
