"""Whether the parts of an answer are those of the ground truth, given how two single parts compare."""

import re
from collections.abc import Callable

from spro.verify.math.parts import Group, Kind, split

MAX_UNLIKE = 64
"""Parts of a list that may be left when those spelled alike are paired; more are no answer that anyone checks."""

_POINT = re.compile(r"\(([^()=]{1,64})\)\s?=\s?(\(.{1,512}\))", re.DOTALL)

Part = str | Group
Compare = Callable[[str, str], bool]


def match(gold: Group, answer: Group, are_equal: Compare) -> bool:
    """Whether two groups are equal.

    Lists and sets are the same but for their braces, and say how often. A tuple in round brackets may be written as a
    list of two or more and the other way round, in order then; a set is never a tuple.

    Args:
        gold: the ground truth.
        answer: the answer.
        are_equal: of one part of the ground truth and one of the answer; its errors pass.
    """
    gold, answer = _single(gold), _single(answer)
    gold, answer = _like(gold, answer), _like(answer, gold)
    if Kind.TUPLE not in (gold.kind, answer.kind):
        return _match_unordered(gold.parts, answer.parts, are_equal)
    if gold.kind is answer.kind:
        if gold.brackets != answer.brackets and (len(gold.parts) == 2 or not _are_plain(gold, answer)):
            return False
        return _match_ordered(gold.parts, answer.parts, are_equal)
    pair, other = (gold, answer) if gold.kind is Kind.TUPLE else (answer, gold)
    if other.kind is Kind.LIST and len(other.parts) > 1:
        return pair.brackets == "()" and _match_ordered(gold.parts, answer.parts, are_equal)
    if other.kind is Kind.SET:
        return False
    # An interval and an inequality, a point and a vector.
    return are_equal(gold.latex, answer.latex)


def _single(group: Group) -> Group:
    # A set of one is that one, as 5 is {5}.
    inner = group.parts[0] if group.kind is not Kind.TUPLE and len(group.parts) == 1 else None
    return inner if isinstance(inner, Group) else group


def _like(group: Group, other: Group) -> Group:
    # (x, y) = (1, 2) for x = 1, y = 2.
    point = _POINT.fullmatch(group.parts[0]) if len(group.parts) == 1 and isinstance(group.parts[0], str) else None
    if point is None or len(other.parts) < 2 or not all(isinstance(part, str) and "=" in part for part in other.parts):
        return group
    names, values = split(point[1]), split(point[2][1:-1])
    if not len(names) == len(values) == len(other.parts):
        return group
    parts = tuple(f"{name} = {value}" for name, value in zip(names, values, strict=True))
    return Group(Kind.LIST, parts, "", ", ".join(parts))


def _are_plain(gold: Group, answer: Group) -> bool:
    return {gold.brackets, answer.brackets} == {"()", "[]"}


def _match_ordered(gold: tuple[Part, ...], answer: tuple[Part, ...], are_equal: Compare) -> bool:
    return len(gold) == len(answer) and all(
        _match_part(one, other, are_equal) for one, other in zip(gold, answer, strict=True)
    )


def _match_part(gold: Part, answer: Part, are_equal: Compare) -> bool:
    if isinstance(gold, str) and isinstance(answer, str):
        return are_equal(gold, answer)
    return match(_as_group(gold), _as_group(answer), are_equal)


def _match_unordered(gold: tuple[Part, ...], answer: tuple[Part, ...], are_equal: Compare) -> bool:
    if len(gold) != len(answer):
        return False
    if len(gold) > 1:
        gold, answer = _without_shared(gold, answer)
    if len(gold) > MAX_UNLIKE:
        return False
    seen: dict[tuple[int, int], bool] = {}

    def fits(row: int, column: int) -> bool:
        if (row, column) not in seen:
            seen[row, column] = _match_part(gold[row], answer[column], are_equal)
        return seen[row, column]

    owners: dict[int, int] = {}
    return all(_assign(row, owners, set(), len(answer), fits) for row in range(len(gold)))


def _assign(row: int, owners: dict[int, int], tried: set[int], size: int, fits: Callable[[int, int], bool]) -> bool:
    # An augmenting path: equality by rounding is not transitive, so the first fit may be the wrong one.
    for column in range(size):
        if column in tried or not fits(row, column):
            continue
        tried.add(column)
        if column not in owners or _assign(owners[column], owners, tried, size, fits):
            owners[column] = row
            return True
    return False


def _without_shared(gold: tuple[Part, ...], answer: tuple[Part, ...]) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    rest = list(answer)
    unlike = []
    for part in gold:
        if part in rest:
            rest.remove(part)
        else:
            unlike.append(part)
    return tuple(unlike), tuple(rest)


def _as_group(part: Part) -> Group:
    return part if isinstance(part, Group) else Group(Kind.LIST, (part,), "", part)
