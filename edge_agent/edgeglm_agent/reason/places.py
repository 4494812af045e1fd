"""Which requests find a place at an endpoint when their turn comes; who would find none leaves the turn to others."""

from collections.abc import Iterator, Mapping, Sequence

from edgeglm_agent.reason.late_share import TakesTurns
from edgeglm_agent.reason.plan import Plan

Routes = Mapping[str, Sequence[str]]
"""Graph uid to the endpoints that may be asked, first choice first."""


def placed(line: TakesTurns, routes: Routes, free: Mapping[str, int], *, most: int) -> Iterator[Plan]:
    """Take up to so many out of the line that find a place, each at the first endpoint of its route that has one left.

    What a graph asks that the site no longer has is let through: its requests know their endpoints themselves.
    """
    left = dict(free)

    def finds_place(graph: str) -> bool:
        return graph not in routes or any(left.get(name) for name in routes[graph])

    for _ in range(most):
        each = line.next(finds_place)
        if each is None:
            return
        endpoint = next((name for name in routes.get(each.key[0], ()) if left.get(name)), None)
        if endpoint is not None:
            left[endpoint] -= 1
        yield each
