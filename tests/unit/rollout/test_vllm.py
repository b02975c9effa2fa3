"""What a user is told about vLLM where it is not installed, and what they may not set. The engine: tests/vllm."""

import os
import sys
from pathlib import Path

import pytest
import torch

from spro.config.rollout import RolloutConfig, VllmConfig
from spro.errors import ConfigError
from spro.rollout.vllm import VllmEngine
from spro.settings import load_config
from tests.models import save_model_folder


def start(path: Path) -> VllmEngine:
    return VllmEngine(str(path), lambda: [], (0,), torch.float32, RolloutConfig(), VllmConfig())


@pytest.fixture
def without_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not it is installed, and without a trace of what is set for it."""
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setattr(os, "environ", {key: value for key, value in os.environ.items() if "VLLM" not in key})


@pytest.mark.usefixtures("without_vllm")
def test_without_vllm_one_line_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^rollout\.engine is 'vllm', which is not installed: pip install vllm \("):
        start(save_model_folder(tmp_path, "qwen2"))


@pytest.mark.usefixtures("without_vllm")
def test_a_setting_that_puts_vllm_into_another_process_is_refused(tmp_path: Path) -> None:
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    with pytest.raises(ConfigError, match=r"^VLLM_ENABLE_V1_MULTIPROCESSING is 1, and weights .*: unset it$"):
        start(save_model_folder(tmp_path, "qwen2"))


@pytest.mark.usefixtures("without_vllm")
def test_what_the_user_set_for_vllm_stays(tmp_path: Path) -> None:
    os.environ["VLLM_LOGGING_LEVEL"] = "DEBUG"
    with pytest.raises(ConfigError, match="not installed"):
        start(save_model_folder(tmp_path, "qwen2"))
    assert os.environ["VLLM_LOGGING_LEVEL"] == "DEBUG"
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vLLM cannot run the model") as caught:
        start(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("rollout.top_p=0.9", r"rollout\.top_p: 0\.9 samples from a part of the distribution, .*: leave it at 1 "),
        ("rollout.top_k=20", r"rollout\.top_k: 20 samples from a part of the distribution, .*: leave it at 0 "),
        ("rollout.engine=vlm", r"rollout\.engine is 'vlm': input should be 'local' or 'vllm'"),
        ("rollout.max_log_prob_diff=0", r"rollout\.max_log_prob_diff is 0"),
    ],
)
def test_mistakes_in_the_settings(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(None, [word])
    assert "\n" not in str(caught.value)


def test_top_p_and_top_k_may_be_named_when_they_are_off() -> None:
    assert load_config(None, ["rollout.top_p=1", "rollout.top_k=0"]).rollout.top_p == 1


def test_the_canarys_limit_follows_the_weights_unless_it_is_set() -> None:
    rollout = RolloutConfig()
    assert rollout.log_prob_limit("float32") < rollout.log_prob_limit("bfloat16")
    assert RolloutConfig(max_log_prob_diff=0.5).log_prob_limit("float32") == 0.5
