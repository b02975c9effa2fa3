"""Which rows go through the model together, by a budget of tokens."""

from collections.abc import Sequence


def pack(units: Sequence[Sequence[int]], lengths: Sequence[int], max_tokens: int) -> list[tuple[int, ...]]:
    """Cut rows into packs whose rectangles, rows times longest row, hold at most ``max_tokens`` tokens.

    Units are taken by their longest row, longest first: rows of like length share a rectangle, so little is padding,
    and memory that does not suffice shows at the first pack, not after an hour.

    Args:
        units: numbers of rows that must stay together, such as a group; never empty, each row in one unit only.
        lengths: tokens of each row, by its number.
        max_tokens: of a rectangle, padding included. A unit that needs more stands alone.

    Returns:
        The rows of each pack; those of a unit stand together and in their order.
    """
    packs: list[tuple[int, ...]] = []
    width = 0
    # Sorting is stable, so the same arguments give the same packs.
    by_length = sorted(((max(lengths[row] for row in unit), tuple(unit)) for unit in units), key=lambda pair: -pair[0])
    for longest, unit in by_length:
        if packs and (len(packs[-1]) + len(unit)) * width <= max_tokens:
            packs[-1] += unit
        else:
            packs.append(unit)
            width = longest
    return packs
