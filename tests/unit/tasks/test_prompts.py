"""Prompts: by the chat template, without one, too long, impossible."""

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from spro.errors import DataError
from spro.lab.warm_start import build_tokenizer
from spro.tasks import LoadReport, Message, Problem, encode_prompts
from spro.tasks.chain import ALPHABET
from tests.models import byte_level_tokenizer

MESSAGES = (Message(role="system", content="Be brief."), Message(role="user", content="1+1?"))


def problem(messages: tuple[Message, ...] = MESSAGES) -> Problem:
    return Problem("p1", messages, "2", "math", "test")


def test_chat_template() -> None:
    tokenizer = byte_level_tokenizer(chat=True)
    (prompt,) = encode_prompts(tokenizer, [problem()], 100, LoadReport(kept=1))
    assert tokenizer.decode(prompt.token_ids) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_without_a_template_the_messages_stand_below_one_another() -> None:
    tokenizer = byte_level_tokenizer()
    (prompt,) = encode_prompts(tokenizer, [problem()], 100, LoadReport(kept=1))
    assert tokenizer.decode(prompt.token_ids) == "Be brief.\n\n1+1?"


def test_prompts_longer_than_the_limit_are_counted_and_skipped() -> None:
    report = LoadReport(kept=2)
    long = problem((Message(role="user", content="x" * 50),))
    prompts = encode_prompts(byte_level_tokenizer(), [long, problem()], 30, report)
    assert [p.problem for p in prompts] == [problem()]
    assert str(report) == "1 problems; 1 skipped: prompt longer than 30 tokens (first: p1)"


def test_a_tokenizer_that_drops_most_of_the_prompt() -> None:
    with pytest.raises(DataError, match="keeps 4 of the 15 characters of p1"):
        encode_prompts(build_tokenizer(ALPHABET), [problem()], 100, LoadReport())


def test_a_tokenizer_that_refuses_the_prompt() -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0})))
    with pytest.raises(DataError, match="cannot encode p1"):
        encode_prompts(tokenizer, [problem()], 100, LoadReport())


def test_a_template_that_refuses() -> None:
    tokenizer = byte_level_tokenizer(chat=True)
    tokenizer.chat_template = "{{ raise_exception('system role not supported') }}"
    with pytest.raises(DataError, match="refuses p1: system role not supported"):
        encode_prompts(tokenizer, [problem()], 100, LoadReport())


def test_an_empty_prompt() -> None:
    with pytest.raises(DataError, match="empty prompt"):
        encode_prompts(byte_level_tokenizer(), [problem((Message(role="user", content=""),))], 100, LoadReport())
