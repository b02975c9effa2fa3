"""The same responses as every method sees them, and what each says.

Axis legend: B responses, T response positions, S steps of a response.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from spro.credit import Credit, TokenBatch
from spro.lab.microscope.choice import JUDGED, Choice
from spro.lab.microscope.subject import Subject
from spro.lab.microscope.truth import ExactTruth, Truth, exact_step_rewards
from spro.train.experience import Experience, gather_experience
from spro.train.group import Group
from spro.train.log_probs import OldLogProbs, RefLogProbs

SHOWN = (OldLogProbs.tensor, RefLogProbs.tensor)
"""Tensors that are made whether a method needs them or not: a reader wants to see them."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What was said of the responses.

    Attributes:
        batch: as the methods see it, on the host.
        credit: by method, on the host.
    """

    batch: TokenBatch
    credit: Mapping[str, Credit]


@torch.no_grad()
def score_methods(subject: Subject, groups: Sequence[Group], choice: Choice, truths: Sequence[Truth]) -> Scored:
    """Score the responses once by the models, and once by each method; nothing learns.

    Args:
        subject: the models.
        groups: prepared for what the methods need.
        choice: the methods.
        truths: of which the exact one, if it is there, judges steps for the methods that need a judge.
    """
    needs = choice.needs | {*SHOWN}
    experience = gather_experience(groups, _of_groups(needs), subject.policy.pad_token_id, subject.policy.model.device)
    if JUDGED in needs:
        exact = next(truth for truth in truths if isinstance(truth, ExactTruth))
        experience = _with_judge(experience, exact_step_rewards(exact, groups))
    for tensor, make in subject.makers.items():
        if tensor in needs:
            experience = experience.with_tensor(tensor, make(experience))
    batch = _on_host(experience.batch)
    return Scored(batch, {name: method.assign(batch) for name, method in choice.methods.items()})


def _of_groups(needs: frozenset[str]) -> frozenset[str]:
    """Without the mask of steps where no values of steps come with it: the judge brings its own."""
    is_alone = "step_values" not in needs
    return needs - {"step_mask"} if is_alone else needs


def _with_judge(experience: Experience, rewards: Sequence[Sequence[float]]) -> Experience:
    def rectangle(rows: Sequence[Tensor]) -> Tensor:
        return pad_sequence(list(rows), batch_first=True).to(experience.batch.response_mask.device)

    step_rewards = rectangle([torch.tensor(row) for row in rewards])
    step_mask = rectangle([torch.ones(len(row), dtype=torch.bool) for row in rewards])
    return replace(experience, batch=replace(experience.batch, step_rewards=step_rewards, step_mask=step_mask))


def _on_host(batch: TokenBatch) -> TokenBatch:
    return TokenBatch(**{name: tensor.cpu() for name, tensor in vars(batch).items() if tensor is not None})
