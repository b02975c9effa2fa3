"""Problems into prompts: the tokenizer's chat template where it has one, and the length limit."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from spro.errors import DataError
from spro.tasks.problem import LoadReport, Problem


@dataclass(frozen=True, slots=True)
class Prompt:
    """A problem as the policy reads it."""

    problem: Problem
    token_ids: tuple[int, ...]


def render_prompt(tokenizer: PreTrainedTokenizerBase, problem: Problem) -> str:
    """The prompt's text: by the chat template, else the messages with a blank line between them."""
    if tokenizer.chat_template is None:
        return "\n\n".join(message["content"] for message in problem.messages)
    try:
        text = tokenizer.apply_chat_template(list(problem.messages), add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise DataError(f"the tokenizer's chat template refuses {problem.problem_id}: {error}") from error
    return str(text)


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, problems: Sequence[Problem], max_prompt_length: int, report: LoadReport
) -> tuple[Prompt, ...]:
    """The prompts that fit into ``max_prompt_length`` tokens; the others are counted in ``report``.

    A chat template writes its own special tokens; plain text gets the tokenizer's (such as a begin token).
    """
    prompts = []
    for problem in problems[:1]:
        _check_tokenizer_fits(tokenizer, problem)
    for problem in problems:
        token_ids = _encode(tokenizer, problem)
        if len(token_ids) > max_prompt_length:
            report.kept -= 1
            report.skip(f"prompt longer than {max_prompt_length} tokens", problem.problem_id)
        else:
            prompts.append(Prompt(problem, tuple(token_ids)))
    return tuple(prompts)


def _encode(tokenizer: PreTrainedTokenizerBase, problem: Problem) -> list[int]:
    text = render_prompt(tokenizer, problem)
    try:
        token_ids = tokenizer.encode(text, add_special_tokens=tokenizer.chat_template is None)
    # The tokenizers library raises bare Exception for text that its vocabulary cannot write.
    except Exception as error:
        raise DataError(f"the tokenizer cannot encode {problem.problem_id} ({error}); is this its model?") from error
    if not token_ids:
        raise DataError(f"{problem.problem_id} has an empty prompt")
    return list(token_ids)


def _check_tokenizer_fits(tokenizer: PreTrainedTokenizerBase, problem: Problem) -> None:
    """Some tokenizers drop text that they have no token for, and a run on what is left would look like any other."""
    text = render_prompt(tokenizer, problem)
    kept = tokenizer.decode(_encode(tokenizer, problem))
    if len(kept) < len(text) / 2:
        raise DataError(
            f"the tokenizer keeps {len(kept)} of the {len(text)} characters of {problem.problem_id}; "
            "model and task do not belong together"
        )
