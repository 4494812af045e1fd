"""Which requests find a place at an endpoint when their turn comes; who finds none leaves the turn to others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from edgeglm_agent.reason.plan import Plan

Routes = Mapping[str, Sequence[str]]
"""Graph uid to the endpoints that may be asked, first choice first."""


def placed(plans: Iterable[Plan], routes: Routes, free: Mapping[str, int]) -> Iterator[Plan]:
    """Yield the plans that find a place, each at the first endpoint of its route that has one left.

    What a graph asks that the site no longer has is let through: its requests know their endpoints themselves.
    """
    left = dict(free)
    for each in plans:
        graph, _partition = each.key
        if graph not in routes:
            yield each
            continue
        endpoint = next((name for name in routes[graph] if left.get(name)), None)
        if endpoint is not None:
            left[endpoint] -= 1
            yield each
