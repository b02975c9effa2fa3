"""Reward functions as users write them, imported by workers by their dotted path."""

import os
import time
from pathlib import Path


def length(completions, **columns):
    return [float(len(completion[0]["content"])) for completion in completions]


def accuracy(completions, solution):
    """No **columns: only what it names may be given."""
    return [float(completion[0]["content"] == gold) for completion, gold in zip(completions, solution, strict=True)]


def echo(prompts, completions, completion_ids, ground_truth, level, trainer_state, log_metric, **columns):
    """A number that all of its arguments are in."""
    log_metric("seen", 1.0)
    assert trainer_state is None
    return [
        len(prompt) + 10 * len(completion) + 100 * len(ids) + 1000 * int(gold) + 10_000 * grade
        for prompt, completion, ids, gold, grade in zip(
            prompts, completions, completion_ids, ground_truth, level, strict=True
        )
    ]


class Scaled:
    """Made with settings."""

    def __init__(self, factor=1.0):
        self.factor = factor
        self.calls = 0

    def __call__(self, completions, **columns):
        self.calls += 1
        return [self.factor * self.calls for _ in completions]


class Array:
    """As numpy and torch give numbers."""

    def __init__(self, items):
        self.items = items

    def tolist(self):
        return list(self.items)


def array(completions, **columns):
    return Array([0.5] * len(completions))


async def slow_service(completions, **columns):
    return [None if not completion[0]["content"] else 1.0 for completion in completions]


def odd(completions, kind, **columns):
    match kind[0]:
        case "nan":
            return [float("nan")] * len(completions)
        case "few":
            return []
        case "text":
            return ["good"] * len(completions)
        case "none":
            return None
        case "raise":
            raise ValueError("the service\nis down")
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(120)
        case "flaky":
            mark = Path(columns["mark"][0])
            if mark.exists():
                return [1.0] * len(completions)
            mark.touch()
            os._exit(3)
        case "write":
            Path(columns["mark"][0]).write_bytes(bytes(2**21))
            return [float("SPRO_TEST_SECRET" in os.environ)] * len(completions)
    return [0.0] * len(completions)


NUMBER = 3


class Sized:
    """Falsy as long as it has seen nothing."""

    def __init__(self):
        self.seen = 0

    def __len__(self):
        return 0

    def __call__(self, completions, **columns):
        self.seen += 1
        return [float(self.seen)] * len(completions)


def service(completions, mark, **columns):
    """A service that times out once, or always."""
    path = Path(mark[0])
    if not path.exists():
        path.touch()
        raise TimeoutError("the service did not answer")
    return [1.0] * len(completions)


def always_late(completions, **columns):
    raise TimeoutError("the service did not answer")


def huge(completions, **columns):
    return [10**400] * len(completions)


def parent(completions, pids, how, **columns):
    """Starts a child and hangs or crashes."""
    child = os.fork()
    if child == 0:
        time.sleep(120)
        os._exit(0)
    with open(pids[0], "a") as file:
        file.write(f"{child}\n")
    if how[0] == "crash":
        os._exit(3)
    while True:
        pass


def judge(completions, problem_id, data_source, level, **columns):
    return [float(grade == 5) for grade in level]
