"""How high the entities of a drawn graph stand in their columns: near to their neighbours, a row apart. Pure.

The third step of the Sugiyama method. Each column is placed anew between its neighbours a few times; the place that is
nearest to all that is wished for, in the order that is given, is found by pooling (isotonic regression).
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final

from edgeglm_agent.page.crossings import Neighbours, Point

SWEEPS: Final = 12
DECIMALS: Final = 2
ENTITY_ROWS: Final = 1.0
PASSING_ROWS: Final = 0.4
"""Lines that pass need less room."""


def heights(columns: Sequence[Sequence[Point]], right_of: Neighbours, left_of: Neighbours) -> dict[Point, float]:
    """Return the row of each point, from 0 on; parts of rows are possible."""
    middle = max(map(len, columns), default=0) / 2
    rows = {point: middle - len(column) / 2 + at for column in columns for at, point in enumerate(column)}
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wishes = [_wish(point, rows, right_of, left_of) for point in column]
            sizes = [ENTITY_ROWS if isinstance(point, str) else PASSING_ROWS for point in column]
            rows.update(zip(column, apart(wishes, sizes), strict=True))
    top = min(rows.values(), default=0.0)
    return {point: round(row - top, DECIMALS) for point, row in rows.items()}


def apart(wishes: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Return places in the order given, none overlapping, whose squared distance to what is wished for is least."""
    offsets = list(accumulate(((one + other) / 2 for one, other in pairwise(sizes)), initial=0.0))
    pools: list[tuple[float, int]] = []
    """Mean and size of each group that would overlap, its members shifted together."""
    for wish, offset in zip(wishes, offsets, strict=True):
        mean, size = wish - offset, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    shifts = [mean for mean, size in pools for _ in range(size)]
    return [shift + offset for shift, offset in zip(shifts, offsets, strict=True)]


def _wish(point: Point, rows: Mapping[Point, float], right_of: Neighbours, left_of: Neighbours) -> float:
    """Return the mean row of all neighbours; who has none stays."""
    near = [rows[each] for each in (*right_of.get(point, ()), *left_of.get(point, ()))]
    return sum(near) / len(near) if near else rows[point]
