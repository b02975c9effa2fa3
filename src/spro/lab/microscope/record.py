"""What was found, as the files of a folder; the page is made of these alone.

config.yaml      the settings, of the microscope and of the run
rollouts.jsonl   one line a response: its tokens, its verdict, what each method says of each token, the truths
measures.json    correlations and agreements with their intervals, who disagrees with whom, what was left out
measures.csv     the same measures, one a line
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from torch import Tensor

from spro.lab.microscope.choice import Choice, given_to
from spro.lab.microscope.config import MicroscopeConfig, Request
from spro.lab.microscope.disagreement import Disagreement, find_disagreements
from spro.lab.microscope.measure import MEANINGS, Measure, gather_tokens, measure_methods, opposite_signs
from spro.lab.microscope.rollouts import Rollouts
from spro.lab.microscope.scoring import SHOWN, Scored
from spro.lab.microscope.subject import Subject
from spro.lab.microscope.truth import ExactTruth
from spro.report import MicroscopeFacts

COLUMNS = ("method", "truth", "measure", "value", "low", "high", "tokens", "groups")


@dataclass(frozen=True, eq=False)
class Findings:
    """All that was found.

    Attributes:
        texts: of the tokens of each response, each decoded by itself.
        measures: against every truth.
        opposite: share of the tokens on which two methods have opposite signs.
        disagreements: one a response.
    """

    subject: Subject
    rollouts: Rollouts
    choice: Choice
    scored: Scored
    texts: Sequence[Sequence[str]]
    measures: Sequence[Measure]
    opposite: Sequence[Sequence[float]]
    disagreements: Sequence[Disagreement]


def find(subject: Subject, rollouts: Rollouts, choice: Choice, scored: Scored) -> Findings:
    """Measure the methods against the truths, and against one another."""
    batch = scored.batch
    mask, group_ids = batch.response_mask.numpy(), batch.group_ids.numpy()
    advantages = {name: credit.advantages.numpy() for name, credit in scored.credit.items()}
    tokens = gather_tokens(mask, group_ids, advantages)
    texts = [
        [subject.policy.tokenizer.decode([token_id]) for token_id in response.token_ids]
        for group in rollouts.groups
        for response in group.responses
    ]
    first = rollouts.truths[0] if rollouts.truths else None
    return Findings(
        subject=subject,
        rollouts=rollouts,
        choice=choice,
        scored=scored,
        texts=texts,
        measures=[measure for truth in rollouts.truths for measure in measure_methods(tokens, truth, mask)],
        opposite=opposite_signs(tokens),
        disagreements=find_disagreements(mask, advantages, first, texts),
    )


def write_findings(folder: Path, request: Request, findings: Findings) -> None:
    """Fill a folder with all but the page."""
    settings = {
        "target": request.target,
        "microscope": request.config.model_dump(mode="json"),
        "credit": {name: _fields(method) for name, method in findings.choice.methods.items()},
        "run": findings.subject.config.model_dump(mode="json"),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    with (folder / "rollouts.jsonl").open("w", encoding="utf-8") as file:
        for line in _responses(findings):
            file.write(json.dumps(line) + "\n")
    measures = [_measure(measure) for measure in findings.measures]
    (folder / "measures.json").write_text(json.dumps(_summary(request, findings, measures), indent=1), encoding="utf-8")
    with (folder / "measures.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(measures)


def _summary(request: Request, findings: Findings, measures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rollouts = findings.rollouts
    old, ref = _shown(findings)
    notes = list(rollouts.notes)
    if bool((old == ref).all()):
        notes.append(
            "The reference says of every token what the policy says, so every term that is made of their log-ratio is "
            "0: a run, or reference=MODEL, has more to show."
        )
    return {
        **asdict(_facts(request.config, findings)),
        "methods": [
            {"name": name, "given": given_to(method), "fields": _fields(method), "terms": list(credit.terms)}
            for (name, method), credit in zip(
                findings.choice.methods.items(), findings.scored.credit.values(), strict=True
            )
        ],
        "left_out": [{"name": name, "why": why} for name, why in findings.choice.left_out.items()],
        "notes": notes,
        "truths": [{"name": truth.name, "title": truth.title} for truth in rollouts.truths],
        "meanings": MEANINGS,
        "measures": measures,
        "opposite": findings.opposite,
    }


def _facts(config: MicroscopeConfig, findings: Findings) -> MicroscopeFacts:
    subject, groups = findings.subject, findings.rollouts.groups
    scores = [score for group in groups for score in group.scores]
    old, ref = _shown(findings)
    return MicroscopeFacts(
        name=subject.name,
        policy=subject.called,
        reference=subject.reference,
        task=subject.config.task.type,
        split=config.split,
        groups=len(groups),
        responses=len(scores),
        tokens=len(old),
        accuracy=float(np.mean(scores)),
        mean_log_ratio=float((old - ref).double().mean()),
        shown=config.shown,
    )


def _shown(findings: Findings) -> tuple[Tensor, Tensor]:
    """What policy and reference say of the tokens that the policy wrote."""
    batch = findings.scored.batch
    old, ref = (batch.require(name, "microscope")[batch.response_mask] for name in SHOWN)
    return old, ref


def _measure(measure: Measure) -> dict[str, Any]:
    found = measure.agreement
    values = (measure.method, measure.truth, measure.name, found.value, found.low, found.high, found.n, found.clusters)
    return dict(zip(COLUMNS, values, strict=True))


def _fields(method: object) -> dict[str, Any]:
    return dict(vars(method))


def _responses(findings: Findings) -> Iterator[dict[str, Any]]:
    """One response as a line, in the order of the groups."""
    groups, batch = findings.rollouts.groups, findings.scored.batch
    members = [(number, i) for number, group in enumerate(groups) for i in range(len(group.responses))]
    tokenizer = findings.subject.policy.tokenizer
    for row, (number, i) in enumerate(members):
        group = groups[number]
        response, verdict, problem = group.responses[i], group.verdicts[i], group.prompt.problem
        length, disagreement = len(response.token_ids), findings.disagreements[row]

        def per_token(values: Any, row: int = row, length: int = length) -> list[float]:
            return [float(value) for value in values[row, :length].tolist()]

        yield {
            "group": number,
            "problem_id": problem.problem_id,
            "prompt": tokenizer.decode(group.prompt.token_ids),
            "prompt_token_ids": list(group.prompt.token_ids),
            "ground_truth": problem.ground_truth,
            "response": group.texts[i],
            "verdict": asdict(verdict),
            "reward": group.judged[i].reward,
            "finish_reason": response.finish_reason,
            "tokens": findings.texts[row],
            "token_ids": list(response.token_ids),
            "response_mask": list(response.written),
            **{name: per_token(getattr(batch, name)) for name in SHOWN},
            "methods": {
                name: {
                    "advantages": per_token(credit.advantages),
                    "terms": {term: per_token(values) for term, values in credit.terms.items()},
                }
                for name, credit in findings.scored.credit.items()
            },
            "truths": {
                truth.name: {
                    "values": list(truth.values[row]),
                    "errors": None if isinstance(truth, ExactTruth) else list(truth.errors[row]),
                    "speaks": list(truth.speaks[row]),
                }
                for truth in findings.rollouts.truths
            },
            "disagreement": vars(disagreement),
        }
