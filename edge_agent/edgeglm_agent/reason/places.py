"""Which requests find a place at an endpoint when their turn comes; who would find none leaves the turn to others."""

from collections.abc import Iterator, Mapping, Sequence

from edgeglm_agent.reason.late_share import TakesTurns
from edgeglm_agent.reason.plan import Plan

Routes = Mapping[str, Sequence[str]]
"""Graph uid to the endpoints that may be asked, first choice first."""


class Places:
    """What is left of them while they are given away.

    What a graph asks that the site no longer has is let through: its requests know their endpoints themselves.
    """

    def __init__(self, routes: Routes, free: Mapping[str, int]) -> None:
        self._routes = routes
        self._left = dict(free)

    def has(self, graph: str) -> bool:
        """Tell whether a request of a graph would find one."""
        return graph not in self._routes or self._first(graph) is not None

    def take(self, graph: str) -> bool:
        """Take one for a request of a graph, at the first endpoint of its route that has one left; tell whether."""
        endpoint = self._first(graph)
        if endpoint is not None:
            self._left[endpoint] -= 1
        return endpoint is not None or graph not in self._routes

    def _first(self, graph: str) -> str | None:
        return next((name for name in self._routes.get(graph, ()) if self._left.get(name, 0) > 0), None)


def placed(line: TakesTurns, places: Places, *, most: int) -> Iterator[Plan]:
    """Take up to so many out of the line that find a place."""
    for _ in range(most):
        each = line.next(places.has)
        if each is None:
            return
        places.take(each.key[0])
        yield each
