"""What is kept about an evaluation beside its samples and numbers, and read again."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from spro.errors import DataError

Record = TypeVar("Record")


@dataclass(frozen=True)
class Identity:
    """What an evaluation that goes on must find as it was: ``identity.json``.

    Attributes:
        model: fingerprint of the weights.
        questions: SHA-256 of ids and questions.
        template: SHA-256 of the chat template; ``none`` without one.
        prompts: SHA-256 of all token ids that are asked.
        spro: version.
        torch: version.
        transformers: version.
        vllm: version; None where the decode loop of the trainer samples.
    """

    model: str
    questions: str
    template: str
    prompts: str
    spro: str
    torch: str
    transformers: str
    vllm: str | None = None

    @property
    def versions(self) -> dict[str, str]:
        """Of all that the samples depend on."""
        found = {"spro": self.spro, "torch": self.torch, "transformers": self.transformers}
        return found if self.vllm is None else {**found, "vllm": self.vllm}


@dataclass(frozen=True)
class ModelFacts:
    """Which model: where it was, and the fingerprint of its weights."""

    path: str
    fingerprint: str


@dataclass(frozen=True)
class DataFacts:
    """Which problems.

    Attributes:
        path: where they came from.
        rows: what became of the rows, for a reader.
        questions: see ``Identity``.
        max_problems: of the settings.
    """

    path: str
    rows: str
    questions: str
    max_problems: int | None


@dataclass(frozen=True)
class AskedFacts:
    """How they were asked.

    Attributes:
        problems: that were asked.
        too_long: ids of those that were not, since their prompts left no room for a response.
        max_prompt_length: tokens; None where the model has no limit.
        max_response_length: tokens.
        samples: sampled answers a problem.
        temperature: of the sampled ones.
        greedy: whether there is a greedy answer beside them.
        seed: of the sampling.
        engine: ``rollout.engine``.
    """

    problems: int
    too_long: tuple[str, ...]
    max_prompt_length: int | None
    max_response_length: int
    samples: int
    temperature: float
    greedy: bool
    seed: int
    engine: str


@dataclass(frozen=True)
class Facts:
    """What ``result.json`` says beside the numbers; nothing in it depends on when or how often it was run.

    Attributes:
        suite: by its name.
        title: see ``HubSuite``.
        note: see ``HubSuite``.
        model: that was asked.
        data: that it was asked.
        asked: how.
        template: see ``Identity``.
        prompts: see ``Identity``.
        extraction: ``verify.math.boxes``.
        versions: of packages, by name.
    """

    suite: str
    title: str
    note: str
    model: ModelFacts
    data: DataFacts
    asked: AskedFacts
    template: str
    prompts: str
    extraction: str
    versions: dict[str, str]


def read_record(kind: type[Record], path: Path, remedy: str) -> Record:
    """One of these records from its JSON; keys that it does not know are the numbers.

    Args:
        kind: of the record.
        path: of the file.
        remedy: the end of the message.

    Raises:
        DataError: the file cannot be read, is no JSON, or lacks something; names it.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}; {remedy}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        raise DataError(f"{str(path)!r} is damaged: {where}{first['msg']}; {remedy}") from error
