"""Directed paths: along which relations one entity can act on another."""

from collections import deque

from edgeglm_agent.graph.model import Edge, EntityGraph


def shortest_path(graph: EntityGraph, start: str, end: str) -> tuple[Edge, ...]:
    """Return the edges of a shortest directed path, the first in canonical order; empty when there is none."""
    came_by: dict[str, Edge] = {}
    queue = deque([start])
    while queue:
        at = queue.popleft()
        for edge in graph.edges:
            if edge.source == at and edge.target != start and edge.target not in came_by:
                came_by[edge.target] = edge
                queue.append(edge.target)
    return tuple(reversed(list(_back(came_by, end))))


def _back(came_by: dict[str, Edge], end: str) -> list[Edge]:
    walked: list[Edge] = []
    while end in came_by:
        walked.append(came_by[end])
        end = came_by[end].source
    return walked
