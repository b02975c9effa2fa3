"""What a step logs of tools."""

from collections.abc import Sequence

from spro.train.group import Group
from spro.train.metrics import Metrics


def tool_metrics(groups: Sequence[Group]) -> Metrics:
    """Answered calls a response, under TRL's name; nothing where no response holds a tool's tokens."""
    responses = [response for group in groups for response in group.responses]
    masks = [response.response_mask for response in responses if response.response_mask is not None]
    return {"tools/call_frequency": sum(map(_answers, masks)) / len(responses)} if masks else {}


def _answers(mask: Sequence[bool]) -> int:
    """Runs of tokens that the policy did not write: no answer stands directly behind another."""
    return sum(not now and before for before, now in zip((True, *mask), mask, strict=False))
