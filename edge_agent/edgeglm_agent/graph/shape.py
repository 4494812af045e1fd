"""The shape of a graph, its directions aside: who is next to whom, how far away, and what is connected at all."""

from collections.abc import Iterable, Mapping

from edgeglm_agent.graph.model import EntityGraph

Neighbours = Mapping[str, frozenset[str]]


def neighbours_of(graph: EntityGraph) -> Neighbours:
    """Return the nodes next to each node; its degree is how many they are."""
    found: dict[str, set[str]] = {node.id: set() for node in graph.nodes}
    for edge in graph.edges:
        found[edge.source].add(edge.target)
        found[edge.target].add(edge.source)
    return {node: frozenset(near) for node, near in found.items()}


def within(neighbours: Neighbours, start: Iterable[str], hops: int | None = None) -> frozenset[str]:
    """Return the nodes that are at most so many steps away from any of some, themselves included; None: at all."""
    reached = front = frozenset(start)
    while front and (hops is None or hops > 0):
        front = frozenset().union(*(neighbours[node] for node in front)) - reached
        reached |= front
        hops = None if hops is None else hops - 1
    return reached


def groups_of(nodes: Iterable[str], graph: EntityGraph) -> list[list[str]]:
    """Return some nodes, in order, by the connected components that they are in."""
    neighbours, left = neighbours_of(graph), sorted(set(nodes))
    groups: list[list[str]] = []
    while left:
        component = within(neighbours, left[:1])
        groups.append([node for node in left if node in component])
        left = [node for node in left if node not in component]
    return groups
