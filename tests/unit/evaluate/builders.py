"""Samples made by hand, model folders and data files."""

import json
from collections.abc import Sequence
from pathlib import Path

from spro.evaluate.samples import Answered, Kind, Sample
from spro.rollout import FinishReason
from spro.verify import Status

STATUSES = {None: Status.UNSCORED, 0.0: Status.WRONG, 1.0: Status.CORRECT}


def make_sample(
    problem_id: str, score: float | None, kind: Kind = Kind.SAMPLED, number: int = 0, data_source: str = "chain"
) -> Sample:
    return Sample(
        problem_id,
        data_source,
        question_hash=f"question of {problem_id}",
        prompt_hash="0" * 16,
        kind=kind,
        number=number,
        seed=1,
        response="#6",
        extracted="6",
        score=score,
        status=STATUSES.get(score, Status.PARTIAL),
        detail="",
        finish_reason=FinishReason.STOP,
        tokens=2,
    )


def make_problem(
    problem_id: str, sampled: Sequence[float | None], greedy: float | None = 0.0, data_source: str = "chain"
) -> Answered:
    first = make_sample(problem_id, greedy, Kind.GREEDY, data_source=data_source)
    others = [make_sample(problem_id, score, number=i, data_source=data_source) for i, score in enumerate(sampled)]
    return Answered((first, *others))


def write_math500(path: Path, questions: Sequence[str]) -> Path:
    rows = [
        {
            "problem": question,
            "solution": "",
            "answer": str(i),
            "subject": "Algebra",
            "level": 1,
            "unique_id": f"test/{i}",
        }
        for i, question in enumerate(questions)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lines_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
