"""What is asked."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from spro.config.section import NonNegativeInt, PositiveInt, Section


class ArithmeticTask(Section):
    """What the lab tasks share, whose expressions are generated from the seed."""

    numbers: ClassVar[int]
    """How many there are to choose from."""

    train_problems: PositiveInt = 16384
    held_out_problems: NonNegativeInt = 512
    min_operators: PositiveInt = 3
    max_operators: PositiveInt = 6

    @model_validator(mode="after")
    def _operators_in_order(self) -> Self:
        if self.min_operators > self.max_operators:
            raise ValueError(f"min_operators {self.min_operators} is above max_operators {self.max_operators}")
        return self

    @model_validator(mode="after")
    def _enough_expressions(self) -> Self:
        # One expression in sixteen is held out. Drawing distinct ones slows down long before they run out.
        expressions = sum(3**k * self.numbers ** (k + 1) for k in range(self.min_operators, self.max_operators + 1))
        for name, wanted, drawable in (
            ("train_problems", self.train_problems, expressions // 2),
            ("held_out_problems", self.held_out_problems, expressions // 32),
        ):
            if wanted > drawable:
                raise ValueError(
                    f"{name} is {wanted}, and of the {expressions} expressions with {self.min_operators} to "
                    f"{self.max_operators} operators at most {drawable} can be drawn; raise max_operators"
                )
        return self


class ChainTask(ArithmeticTask):
    """The lab task: chain arithmetic, generated from the seed."""

    numbers = 10

    type: Literal["chain"]


class CalculatorTask(ArithmeticTask):
    """The lab task of tool use: chain arithmetic with two-digit numbers and a calculator that the policy may call."""

    numbers = 100

    type: Literal["calculator"]
    max_tool_calls: PositiveInt = 16
    """In a response; it ends with the call that is one too many."""


class FileTask(Section):
    """What all tasks that are read from files share."""

    path: str
    """A .parquet, .jsonl or .json file, a folder of them, or a hub id."""
    split: str = "train"
    """In a folder or hub repository: read the files whose name begins with this, or else those in a folder of this
    name, if there are any. A training split is never taken for another."""
    max_problems: PositiveInt | None = None
    """Stop reading after so many usable rows."""
    held_out_path: str | None = None
    """Problems never trained on, in the same schema; where ``path`` asks the same, its rows are skipped and counted."""
    held_out_problems: NonNegativeInt = 0
    """Without ``held_out_path``: take so many problems, drawn by the seed, out of the training set."""


class EurusTask(FileTask):
    """Rows in the schema of PRIME-RL/Eurus-2-RL-Data."""

    type: Literal["eurus"]


class MathTask(FileTask):
    """Rows with a question and its final answer, under any column names."""

    type: Literal["math"]
    question_key: str = "problem"
    answer_key: str = "answer"
    system_prompt: str | None = None
    prompt_suffix: str = "\n\nPresent the answer in LaTex format: \\boxed{Your answer}"
    """Put behind each question; the default is PRIME's, spelling included."""


TaskConfig = Annotated[ChainTask | CalculatorTask | EurusTask | MathTask, Field(discriminator="type")]
