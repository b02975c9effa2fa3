"""The verifiers and reward functions of a run, as its settings name them, with the processes behind them."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from transformers import PreTrainedTokenizerBase

from spro.config import CodeConfig, Config, FunctionConfig
from spro.train.judge import Judge, WeightedFunction
from spro.train.reward import OverlongPenalty
from spro.verify import (
    AnyVerifier,
    Boxes,
    Closing,
    CodeVerifier,
    FunctionSource,
    FunctionVerifier,
    Grader,
    Limits,
    MathVerifier,
    RewardFunction,
    choose_sandbox,
    verify_calculator,
    verify_chain,
)

FUNCTION = "function"
"""Name of the verifier that ``verify.function`` is."""
COMMON_COLUMNS = ("problem_id", "data_source")
"""Columns of every problem, whatever its task."""


class Grading(Closing):
    """Close it, or use it as a context manager.

    Args:
        config: of the run.
        allow_unsafe: whether ``verify.code.sandbox: none`` is meant.

    Raises:
        ConfigError: a setting is impossible.
    """

    def __init__(self, config: Config, allow_unsafe: bool = False) -> None:
        verify, self._config = config.verify, config
        verifiers: dict[str, AnyVerifier] = {
            "math": MathVerifier(verify.workers, verify.timeout_s, boxes=Boxes(verify.math.boxes)),
            "chain": verify_chain,
            "calculator": verify_calculator,
            "code": _code_verifier(verify.code, verify.workers, allow_unsafe),
        }
        if verify.function is not None:
            verifiers[FUNCTION] = FunctionVerifier(self._function(verify.function))
        self._grader = Grader(verifiers, verify.workers)
        self._functions = tuple(
            WeightedFunction(name, self._function(function, "score"), function.weight)
            for name, function in zip(_names(config.reward.functions), config.reward.functions, strict=True)
        )

    @property
    def columns(self) -> frozenset[str]:
        """Fields of the rows that a reward function reads, beside what every problem has."""
        known = {"prompts", "completions", "completion_ids", "ground_truth", "score", *COMMON_COLUMNS}
        wanted = [function.columns.values() for function in self._sections]
        return frozenset(name for names in wanted for name in names) - known

    def _function(self, section: FunctionConfig, *further: str) -> RewardFunction:
        source = FunctionSource(section.path, section.settings, section.columns, section.timeout_s)
        return RewardFunction(source, (*self.columns, *COMMON_COLUMNS, *further))

    @property
    def _sections(self) -> list[FunctionConfig]:
        first = [self._config.verify.function] if self._config.verify.function is not None else []
        return [*first, *self._config.reward.functions]

    def problem_with(self, verifier: str, ground_truth: str) -> str:
        """See ``Grader.problem_with``."""
        return self._grader.problem_with(self._verifier or verifier, ground_truth)

    def prepare(self, verifiers: Collection[str]) -> list[str]:
        """Make ready what problems of these verifiers need; returns one line of each thing worth telling.

        Raises:
            UserError: something is not there that they need.
        """
        notes = self._grader.prepare({self._verifier or verifier for verifier in verifiers})
        return notes + [weighted.function.prepare() for weighted in self._functions]

    def judge(self, tokenizer: PreTrainedTokenizerBase, check: Callable[[], None] = lambda: None) -> Judge:
        """What says of the policy's responses what they are worth; ``check`` may end it."""
        reward, limit = self._config.reward, self._config.rollout.max_response_length
        penalty = OverlongPenalty(limit, reward.overlong_buffer, reward.overlong_penalty)
        return Judge(self._grader, tokenizer, penalty, self._functions, self._verifier, check)

    @property
    def _verifier(self) -> str | None:
        return FUNCTION if self._config.verify.function is not None else None

    def close(self) -> None:
        """End all processes; twice does no harm."""
        self._grader.close()
        for weighted in self._functions:
            weighted.function.close()


def _code_verifier(code: CodeConfig, workers: int, allow_unsafe: bool) -> CodeVerifier:
    limits = Limits(
        cpu_s=code.test_cpu_s,
        wall_s=3.0 * code.test_cpu_s,
        total_s=code.response_s,
        memory_bytes=code.memory_mib * 2**20,
        total_memory_bytes=code.memory_mib * 2**20,
    )
    choose = partial(choose_sandbox, code.sandbox, allow_unsafe=allow_unsafe)
    return CodeVerifier(choose, limits, max_tests=code.max_tests, prime_compat=code.prime_compat, workers=workers)


def _names(functions: Sequence[FunctionConfig]) -> list[str]:
    """The last words of their paths, with a number where one comes again."""
    names: list[str] = []
    for function in functions:
        word = function.path.rpartition(".")[2]
        again = sum(name.partition("#")[0] == word for name in names)
        names.append(f"{word}#{again + 1}" if again else word)
    return names
