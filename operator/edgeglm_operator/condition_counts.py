"""How many objects there are in each condition: what alerts and dashboards go by, without the name of any object."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from edgeglm_api.conditions import Condition
from edgeglm_operator.store import Store

LABELS: Final = ("kind", "type", "status", "reason")
"""All of them words of ours."""


def condition_counts(store: Store) -> Counter[tuple[str, ...]]:
    """By the values of `LABELS`, as the status of each object said when it was last observed."""
    return Counter(
        (kind, each.type, each.status, each.reason) for kind, conditions in _of_all(store) for each in conditions
    )


def _of_all(store: Store) -> Iterator[tuple[str, Iterable[Condition]]]:
    yield from ((store.services.kind.name, service.status.conditions) for service in store.services.all())
    yield from ((store.graphs.kind.name, graph.status.conditions) for graph in store.graphs.all())
    yield from ((store.sites.kind.name, site.status.conditions) for site in store.sites.all())
