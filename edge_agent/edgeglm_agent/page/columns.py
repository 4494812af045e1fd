"""Which column each entity of a drawn graph stands in: relations lead to the right, as far as they can. Pure.

The first step of the Sugiyama method. Cycles are cut where that turns few relations around (Eades, Lin and Smyth 1993).
"""

from collections.abc import Collection, Iterable
from typing import Final

Arrow = tuple[str, str]
"""From whom to whom else."""

MAX_IN_A_COLUMN: Final = 12
"""More are spread over several: a long list is no picture."""


def columns_of(nodes: Collection[str], arrows: Collection[Arrow]) -> list[list[str]]:
    """Return the nodes of each column from left to right, each column in alphabetical order."""
    order = _forward_order(nodes, arrows)
    place = {node: at for at, node in enumerate(order)}
    ahead: dict[str, list[str]] = {node: [] for node in nodes}
    for arrow in arrows:
        source, target = sorted(arrow, key=place.__getitem__)
        ahead[source].append(target)
    to_the_end: dict[str, int] = {}
    for node in reversed(order):
        to_the_end[node] = max((to_the_end[target] + 1 for target in ahead[node]), default=0)
    ranks = sorted(set(to_the_end.values()), reverse=True)
    return [part for rank in ranks for part in _parts(node for node in nodes if to_the_end[node] == rank)]


def _parts(column: Iterable[str]) -> list[list[str]]:
    """Split what is too long into even parts."""
    whole = sorted(column)
    count = -(-len(whole) // MAX_IN_A_COLUMN)
    size = -(-len(whole) // count)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _forward_order(nodes: Collection[str], arrows: Collection[Arrow]) -> list[str]:
    """Return the nodes so that few arrows lead back; none does where there is no cycle."""
    into: dict[str, set[str]] = {node: set() for node in nodes}
    out_of: dict[str, set[str]] = {node: set() for node in nodes}
    for source, target in arrows:
        out_of[source].add(target)
        into[target].add(source)
    order: list[str] = []
    left = set(nodes)
    while left:
        # Whom nobody left leads to is next; in a cycle, who leads to more than lead to them.
        chosen = min(left, key=lambda node: (bool(into[node]), len(into[node]) - len(out_of[node]), node))
        left.remove(chosen)
        order.append(chosen)
        for target in out_of[chosen]:
            into[target].discard(chosen)
        for source in into[chosen]:
            out_of[source].discard(chosen)
    return order
