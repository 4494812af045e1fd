"""A drawing of a graph: where each entity stands, and which way each relation takes. Pure: one graph, one drawing.

It is made here and not in the browser, so that it can be tested, and so that all who look see the same. Long relations
to one entity go together: where much is part of one thing, it is one line and no thicket.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

import msgspec

from edgeglm_agent.page.columns import Arrow, columns_of
from edgeglm_agent.page.crossings import Point, untangled
from edgeglm_agent.page.heights import heights

MAX_BENT: Final = 8
"""Columns in which a relation goes around what stands there; a longer one goes straight, so that ways stay short."""
KEPT: Final = 16
"""Drawings that are remembered; the graph of most windows is that of the window before."""

Place = tuple[int, float]
"""Column and row."""


class Drawing(msgspec.Struct, frozen=True):
    """Places and ways, in columns and rows from the top left."""

    columns: int
    rows: float
    places: dict[str, Place]
    routes: dict[Arrow, tuple[Place, ...]]
    """From end to end, by way of the columns between."""


@lru_cache(maxsize=KEPT)
def draw(nodes: tuple[str, ...], arrows: tuple[Arrow, ...]) -> Drawing:
    """Return the drawing of entities and of relations among them; one of an entity to itself has no way."""
    arrows = tuple(dict.fromkeys(arrow for arrow in arrows if arrow[0] != arrow[1]))
    entities = columns_of(nodes, arrows)
    column_of = {node: at for at, column in enumerate(entities) for node in column}
    ways = [_way(arrow, column_of) for arrow in arrows]
    passing = dict.fromkeys(point for way in ways for point in way[1:-1])
    columns = [
        _with_passing(column, [point for point in passing if point[1] == at]) for at, column in enumerate(entities)
    ]
    right_of, left_of = _neighbours(ways, column_of)
    rows = heights(untangled(columns, right_of, left_of), right_of, left_of)
    places = {point: (_column(point, column_of), row) for point, row in rows.items()}
    return Drawing(
        columns=len(columns),
        rows=max(rows.values(), default=0.0) + 1,
        places={node: places[node] for node in nodes},
        routes={
            arrow: tuple(places[point] for point in (way if way[0] == arrow[0] else way[::-1]))
            for arrow, way in zip(arrows, ways, strict=True)
        },
    )


def _with_passing(column: Sequence[Point], passing: Sequence[Point]) -> list[Point]:
    """Return a column with what passes it in its middle: where nothing else decides, all stands evenly around it."""
    half = len(column) // 2
    return [*column[:half], *passing, *column[half:]]


def _way(arrow: Arrow, column_of: dict[str, int]) -> list[Point]:
    """Return the points of a relation from left to right; in between it goes with all that have the same target."""
    left, right = sorted(arrow, key=column_of.__getitem__)
    between = range(column_of[left] + 1, column_of[right])
    return [left, *((arrow[1], column) for column in between if len(between) <= MAX_BENT), right]


def _column(point: Point, column_of: dict[str, int]) -> int:
    return column_of[point] if isinstance(point, str) else point[1]


def _neighbours(
    ways: Iterable[Sequence[Point]], column_of: dict[str, int]
) -> tuple[dict[Point, list[Point]], dict[Point, list[Point]]]:
    """Return who stands to the right of each point, and who to the left of it, in the next column and on its way."""
    right_of: dict[Point, list[Point]] = {}
    left_of: dict[Point, list[Point]] = {}
    for left, right in dict.fromkeys(step for way in ways for step in pairwise(way)):
        if _column(right, column_of) - _column(left, column_of) == 1:
            right_of.setdefault(left, []).append(right)
            left_of.setdefault(right, []).append(left)
    return right_of, left_of
