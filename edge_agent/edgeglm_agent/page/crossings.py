"""In which order the entities of a drawn graph stand in their columns, so that few relations cross. Pure.

The second step of the Sugiyama method: sweeps to the right and back, each column in the order of the mean place of its
neighbours in the column before it. The best order that was met is the one.
"""

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

Point = str | tuple[str, int]
"""An entity, or where long relations to it pass a column: its name and the column's number."""
Neighbours = Mapping[Point, Sequence[Point]]

SWEEPS: Final = 8


def untangled(columns: Sequence[Sequence[Point]], right_of: Neighbours, left_of: Neighbours) -> list[list[Point]]:
    """Return the columns in a better order; never in one with more crossings."""
    best = current = [list(column) for column in columns]
    fewest = crossings(best, right_of)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        current = _swept(current, left_of) if sweep % 2 == 0 else _swept(current[::-1], right_of)[::-1]
        if (number := crossings(current, right_of)) < fewest:
            best, fewest = current, number
    return best


def crossings(columns: Sequence[Sequence[Point]], right_of: Neighbours) -> int:
    """Return how often relations cross between neighbouring columns."""
    return sum(_between(left, right, right_of) for left, right in pairwise(columns))


def _between(left: Sequence[Point], right: Sequence[Point], right_of: Neighbours) -> int:
    place = {point: at for at, point in enumerate(right)}
    passed: list[int] = []
    found = 0
    for point in left:
        ends = sorted(place[each] for each in right_of.get(point, ()))
        found += sum(len(passed) - bisect_right(passed, end) for end in ends)
        for end in ends:
            insort(passed, end)
    return found


def _swept(columns: Sequence[Sequence[Point]], before: Neighbours) -> list[list[Point]]:
    """Return each column in the order of its neighbours in the one before it; who has none there keeps its place."""
    swept = [list(columns[0])]
    for column in columns[1:]:
        place = {point: at for at, point in enumerate(swept[-1])}
        own = {point: at for at, point in enumerate(column)}
        swept.append(sorted(column, key=lambda point: (_mean(point, before, place, own[point]), own[point])))
    return swept


def _mean(point: Point, before: Neighbours, place: Mapping[Point, int], otherwise: int) -> float:
    places = [place[each] for each in before.get(point, ())]
    return sum(places) / len(places) if places else float(otherwise)
