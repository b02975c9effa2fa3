"""What a response is worth."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from spro.config.section import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section, Share


class FunctionConfig(Section):
    """A reward function with TRL's signature, a user's own or of ``trl.rewards``; docs/rewards.md."""

    path: str
    """Its dotted path, ``my_rewards.brevity``, found as ``python`` would from the working folder."""
    settings: dict[str, Any] | None = None
    """With any, even ``{}``, ``path`` is called with them and returns the function."""
    columns: Mapping[str, str] = Field(default_factory=dict)
    """Parameter -> column of the data, for a function that calls it otherwise: ``{solution: ground_truth}``. Fields of
    the rows are only read when they are named here."""
    timeout_s: PositiveFloat = 120.0
    """Seconds of one call, which is given a whole batch."""


class WeightedFunctionConfig(FunctionConfig):
    """A reward function and what its number counts."""

    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0


class MathConfig(Section):
    """How mathematical answers are graded."""

    boxes: Literal["last", "all_equal"] = "last"
    """Which box is the answer: the last, as is usual, or none unless every box of the response is right."""


class CodeConfig(Section):
    """How programs are graded; docs/sandbox.md."""

    sandbox: Literal["auto", "bubblewrap", "landlock", "none"] = "auto"
    """``auto`` takes the strongest that works here. ``none`` lets the model's programs do whatever the trainer may, and
    needs the flag ``--i-understand-unsafe-code-execution`` beside it."""
    max_tests: PositiveInt | None = None
    """Only the first so many tests of a problem count, in the order of the data; None for all."""
    prime_compat: bool = False
    """Grade as PRIME's code does: only the first ten tests count."""
    test_cpu_s: PositiveInt = 5
    """CPU seconds of one test. By the clock it may take three times as long."""
    response_s: PositiveFloat = 60.0
    """Seconds by the clock of all tests of a response; those not reached count as failed."""
    memory_mib: Annotated[int, Field(ge=64)] = 1024
    """Of a response's program, all its processes together."""


class VerifyConfig(Section):
    """How answers are graded."""

    workers: PositiveInt = 2
    """Answers graded at a time."""
    timeout_s: PositiveFloat = 10.0
    """CPU seconds of one mathematical answer; by the clock it may take three times as long. Then the worker that grades
    it is killed, and the answer counts as a timeout."""
    math: MathConfig = MathConfig()
    code: CodeConfig = CodeConfig()
    function: FunctionConfig | None = None
    """Judges every response in place of the verifier that its problem names; its numbers are scores, in [0, 1]."""
    max_unscored_share: Share = 0.5
    """The run stops when more than this share of a step's responses could not be graded, or more than this share of its
    groups are left out since a greedy answer or the value of a step could not be; in any case when all are."""


class RewardConfig(Section):
    """What is added to a verifier's score; the filter judges by the score alone."""

    overlong_buffer: NonNegativeInt = 0
    """The last so many tokens before ``rollout.max_response_length`` cost (DAPO, Eq. 13); 0 turns this off."""
    overlong_penalty: NonNegativeFloat = 1.0
    """What a response of full length loses; one at the start of the buffer loses nothing, between them it is linear."""
    functions: tuple[WeightedFunctionConfig, ...] = ()
    """Reward functions whose weighted numbers are added to the score; they may have any sign. Some of form and length
    are in ``spro.verify.rewards``."""
