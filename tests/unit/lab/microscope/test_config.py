"""Words in, a request out; every mistake is one line."""

import pytest

from spro.credit import METHODS
from spro.errors import ConfigError
from spro.lab.microscope.config import HANDFUL, parse_request


def test_words_go_where_they_belong() -> None:
    words = ("prompts=3", "methods=spro, grpo,spro", "credit.spro.beta=0.5", "rollout.temperature=0.7", "seed=4")
    request = parse_request("runs/x", words)
    assert request.config.methods == ("spro", "grpo")
    assert (request.config.prompts, request.config.seed) == (3, 4)
    assert request.credit == {"spro": {"beta": 0.5}}
    assert request.overrides == ("rollout.temperature=0.7",)
    assert parse_request("x", ()).config.methods == HANDFUL
    assert parse_request("runs/x", ("methods=[spro, grpo]", *words[2:], "prompts=3")) == request
    assert parse_request("x", ("methods=all",)).config.methods == tuple(METHODS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prompts",), "cannot read 'prompts'; settings are written key=value, for example prompts=32"),
        (("promts=3",), "unknown key 'promts'; did you mean 'prompts'?"),
        (("prompts=0",), "prompts is 0: input should be greater than or equal to 1"),
        (("prompts=many",), "prompts is 'many': input should be a valid integer, unable to parse string as an integer"),
        (("methods=",), "methods: no method is named; methods=all takes every one that can be made"),
        (("methods=spor",), "methods: unknown method 'spor'; did you mean 'spro'?"),
        (("truth=exakt",), "truth is 'exakt': input should be 'auto', 'exact', 'monte_carlo' or 'none'"),
        (("optimizer.learning_rate=1",), "unknown key 'optimizer.learning_rate'"),
        (("rollout.group_size=4",), "rollout.group_size is written group_size here"),
        (("credit.beta=1",), "cannot read 'credit.beta=1'; several methods are looked at"),
        (("credit.spor.beta=1",), "cannot read 'credit.spor.beta=1': unknown method 'spor'; did you mean 'spro'?"),
        (("methods=grpo", "credit.spro.beta=1"), "credit.spro is set, and 'spro' is none of methods=grpo"),
        (("credit.spro.beta=[",), "cannot read the value of 'credit.spro.beta=['"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_request("x", words)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
