"""Monte-Carlo values of the states in which steps begin (VinePPO, arXiv 2410.01679)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from spro.rollout import Engine, Sampling
from spro.tasks import Prompt
from spro.train.compute import Work, sampled
from spro.train.group import Group, Prepared, Unscored
from spro.train.judge import Judge
from spro.train.sampling import derive_seed
from spro.train.steps import step_starts

State = tuple[int, tuple[int, ...]]
"""(number of the group, the response so far)."""


@dataclass(frozen=True, slots=True)
class StateValue:
    """What was seen of a state.

    Attributes:
        mean: reward of the responses that go on from it, over those that could be graded.
        graded: how many these are; at least one.
    """

    mean: float
    graded: int


@dataclass(frozen=True, slots=True)
class RolledOut:
    """What the continuations of some groups came to.

    Attributes:
        states: of each group, for each response, the states in which its steps begin; None for a group with a state
            that nothing graded.
        unscored: continuations that could not be graded.
        work: of sampling.
    """

    states: list[tuple[tuple[StateValue, ...], ...] | None]
    unscored: list[Unscored]
    work: Work


@dataclass(frozen=True)
class StepValues:
    """The mean reward of responses that go on from the start of each step.

    Costs ``samples`` responses for each step of each response; a state that members of a group share, as all share the
    prompt, is rolled out once.

    Attributes:
        engine: samples.
        judge: says what a response is worth.
        sampling: of the training responses; prefix and continuation together keep its length limit.
        samples: continuations of a state.
        positions: tokens of prompt and response that the model can hold; None for no limit.
    """

    engine: Engine
    judge: Judge
    sampling: Sampling
    samples: int
    positions: int | None

    def __call__(self, groups: Sequence[Group], seed: int) -> Prepared:
        """The groups, which are split, with their ``step_values``, without those of a state that nothing graded."""
        rolled = self.roll_out(groups, seed)
        prepared = [
            replace(group, step_values=tuple(tuple(state.mean for state in row) for row in rows))
            for group, rows in zip(groups, rolled.states, strict=True)
            if rows is not None
        ]
        return Prepared(prepared, rolled.unscored, rolled.work)

    def roll_out(self, groups: Sequence[Group], seed: int) -> RolledOut:
        """What was seen of the states of the groups, which are split."""
        states = [_states(index, group) for index, group in enumerate(groups)]
        wanted = dict.fromkeys(state for rows in states for row in rows for state in row)
        values, unscored, work = self._values([group.prompt for group in groups], list(wanted), seed)
        found = [
            tuple(tuple(values[state] for state in row) for row in rows)
            if all(state in values for row in rows for state in row)
            else None
            for rows in states
        ]
        return RolledOut(found, unscored, work)

    def _values(
        self, prompts: Sequence[Prompt], states: Sequence[State], seed: int
    ) -> tuple[dict[State, StateValue], list[Unscored], Work]:
        """Each state's value, the continuations that could not be graded, and the work.

        A state has no value where none could.
        """
        written, work = self._continue(prompts, states, seed)
        judged = self.judge([(prompts[index], token_ids) for (index, _), token_ids in written])
        rewards: dict[State, list[float]] = {}
        unscored: list[Unscored] = []
        for (state, _), one in zip(written, judged, strict=True):
            if one.reward is None:
                unscored.append(Unscored(prompts[state[0]].problem.problem_id, one.text, one.verdict.detail))
            else:
                rewards.setdefault(state, []).append(one.reward)
        return {state: StateValue(fmean(found), len(found)) for state, found in rewards.items()}, unscored, work

    def _continue(
        self, prompts: Sequence[Prompt], states: Sequence[State], seed: int
    ) -> tuple[list[tuple[State, tuple[int, ...]]], Work]:
        """``samples`` whole responses a state, which they begin with, and the work of sampling what is behind it."""
        limit = self.sampling.max_response_length
        written, work = [], Work()
        for number, bucket in enumerate(self._buckets(prompts, states)):
            longest = max(self._room(state) for state in bucket)
            sampling = Sampling(self.samples, longest, self.sampling.temperature)
            begun = [(*prompts[index].token_ids, *prefix) for index, prefix in bucket]
            continued = self.engine.generate(begun, sampling, derive_seed(seed, number))
            work += sampled(begun, continued)
            for state, responses in zip(bucket, continued, strict=True):
                written += [(state, (*state[1], *response.token_ids)[:limit]) for response in responses]
        return written, work

    def _room(self, state: State) -> int:
        """Tokens that may still be written."""
        return self.sampling.max_response_length - len(state[1])

    def _buckets(self, prompts: Sequence[Prompt], states: Sequence[State]) -> Iterator[list[State]]:
        """States that one call may roll out, since the longest limit fits behind the longest of them.

        The engine has one limit a call; what goes beyond a state's own is cut off.
        """
        bucket: list[State] = []
        for state in sorted(states, key=self._room, reverse=True):
            length = len(prompts[state[0]].token_ids) + len(state[1])
            if bucket and self.positions is not None and length + self._room(bucket[0]) > self.positions:
                yield bucket
                bucket = []
            bucket.append(state)
        yield bucket


def _states(index: int, group: Group) -> list[list[State]]:
    """Where each step of each response begins."""
    assert group.step_ids is not None
    return [
        [(index, response.token_ids[:start]) for start in step_starts(step_ids)]
        for response, step_ids in zip(group.responses, group.step_ids, strict=True)
    ]
