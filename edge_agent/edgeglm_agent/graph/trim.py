"""Cut a graph down to its caps, the same way each time: what is wrong first, then what is near to it.

A breadth-first order from the anomalous nodes serves twice: it decides who stays, and models read a graph better in the
order of a search (GraphDO, arXiv 2402.07140).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from edgeglm_agent.graph.model import Edge, EntityGraph, Node
from edgeglm_agent.graph.shape import Neighbours, neighbours_of, within

MAX_EVIDENCE: Final = 16
"""The worst come first. A plant where more than that is wrong at once needs no list, and a prompt has an end."""
MAX_REMARKS: Final = 16
"""Fields of remarks, of the first nodes. They are long, and strangers may write any number of them."""


def trim(graph: EntityGraph, *, max_nodes: int, max_edges: int, hops: int | None = None) -> EntityGraph:
    """Return the graph within its caps; `truncated` tells whether anything had to go.

    With `hops`, what is further away than that from all that is wrong goes as well, if anything is.
    """
    neighbours = neighbours_of(graph)
    order = _search_order(graph, neighbours)
    if hops is not None and graph.evidence:
        near = within(neighbours, graph.anomalous & neighbours.keys(), hops)
        order = [node for node in order if node in near]
    kept = frozenset(order[:max_nodes])
    by_id = {node.id: node for node in graph.nodes}
    edges = [edge for edge in graph.edges if edge.source in kept and edge.target in kept]
    rank = {node: place for place, node in enumerate(order)}
    nearest = sorted(edges, key=lambda edge: (rank[edge.source] + rank[edge.target], _canonical(edge)))[:max_edges]
    evidence = tuple(item for item in graph.evidence if item.node in kept)[:MAX_EVIDENCE]
    nodes = [by_id[node] for node in order[:max_nodes]]
    remarks = sum(len(node.remarks) for node in nodes)
    return EntityGraph(
        nodes=tuple(_with_fewer_remarks(nodes) if remarks > MAX_REMARKS else nodes),
        edges=tuple(sorted(nearest, key=_canonical)),
        evidence=evidence,
        truncated=graph.truncated
        or len(kept) < len(graph.nodes)
        or len(edges) > max_edges
        or len(evidence) < len(graph.evidence)
        or remarks > MAX_REMARKS,
    )


def _search_order(graph: EntityGraph, neighbours: Neighbours) -> list[str]:
    """Return all nodes breadth first: anomalous ones, worst first, then their neighbours, then the rest by degree."""
    seeds = list(dict.fromkeys(item.node for item in graph.evidence))
    rest = sorted(neighbours, key=lambda node: (-len(neighbours[node]), node))
    order: dict[str, None] = dict.fromkeys(seeds)
    _spread(seeds, neighbours, order)
    for start in rest:
        if start not in order:
            order[start] = None
            _spread([start], neighbours, order)
    return list(order)


def _with_fewer_remarks(nodes: Iterable[Node]) -> Iterator[Node]:
    left = MAX_REMARKS
    for node in nodes:
        kept = node.remarks[:left]
        left -= len(kept)
        yield msgspec.structs.replace(node, remarks=kept)


def _spread(seeds: Iterable[str], neighbours: Neighbours, order: dict[str, None]) -> None:
    queue = deque(seeds)
    while queue:
        for neighbour in sorted(neighbours[queue.popleft()]):
            if neighbour not in order:
                order[neighbour] = None
                queue.append(neighbour)


def _canonical(edge: Edge) -> tuple[str, str, str, int]:
    return edge.source, edge.target, edge.type, edge.since_ns
