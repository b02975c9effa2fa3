"""Settings of the model's form and of the reference that contradict one another, each told in one line."""

import pytest

from spro.config import LoraConfig
from spro.errors import ConfigError
from spro.settings import load_config


def test_adapters_are_asked_for_by_naming_their_section() -> None:
    assert load_config(None, []).model.lora is None
    assert load_config(None, ["model.lora={}"]).model.lora == LoraConfig()
    lora = load_config(None, ["model.lora.rank=8", "model.lora.target_modules=q_proj"]).model.lora
    assert lora == LoraConfig(rank=8, target_modules=("q_proj",))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.dtype=float16"], r"model\.dtype is 'float16': input should be 'auto', 'float32' or 'bfloat16'"),
        (["model.lora.rnk=8"], r"unknown key 'model\.lora\.rnk'; did you mean 'rank'\?"),
        (["model.lora.rank=0"], r"model\.lora\.rank is 0"),
        (["model.lora.dropout=0.1"], r"unknown key 'model\.lora\.dropout'"),
        (["model.lora={target_modules: []}"], r"model\.lora\.target_modules is \[\]"),
        (["reference.device=gpu"], r"reference\.device is 'gpu': input should be 'same' or 'cpu'"),
        (["reference.weights=int4"], r"reference\.weights is 'int4'"),
        (["reference.type=ema", "reference.device=cpu"], r"'reference\.device'"),
        (
            ["reference.type=old_policy", "loss.kl_loss_coef=0.1"],
            r"loss\.kl_loss_coef is 0\.1, and reference\.type old_",
        ),
        (["model.lora={}", "reference.device=cpu"], r"reference\.device is 'cpu', and with model\.lora .*: remove"),
        (["model.lora={}", "reference.weights=int8"], r"reference\.weights is 'int8', and with model\.lora"),
    ],
)
def test_mistakes_are_named_with_key_value_and_remedy(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(None, words)
    assert "\n" not in str(caught.value)
