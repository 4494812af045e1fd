"""The graph as text: one node a line with its neighbours, in the order of the search from what is wrong.

Adjacency with real names reads best to language models (Talk like a Graph, arXiv 2310.04560). Series without evidence
show their mean only: their spread would be most of the prompt and none of the question.
"""

from collections.abc import Iterator
from enum import IntEnum

from edgeglm_agent.graph.model import Edge, EntityGraph, Measured, Node, Occurred, Stated
from edgeglm_agent.graph.sentence import number, second, sentence
from edgeglm_agent.untrusted import spelled


class Detail(IntEnum):
    """How much of the graph is told; an engine with a short context gets less, and the answer says so."""

    FULL = 0
    NEAR = 1
    """Anomalous nodes and their neighbours."""
    ANOMALOUS = 2


def encode_graph(graph: EntityGraph, detail: Detail = Detail.FULL) -> str:
    """Return the nodes, their relations and the evidence, one a line."""
    shown = _shown(graph, detail)
    marked = {(item.node, item.property) for item in graph.evidence}
    lines = ["Nodes:"]
    lines += [_node_line(graph, node, marked, shown) for node in graph.nodes if node.id in shown]
    lines.append("Evidence:" if graph.evidence else "Evidence: none")
    lines += [f"{item.id}: {sentence(item)}" for item in graph.evidence]
    return "\n".join(lines)


def _shown(graph: EntityGraph, detail: Detail) -> frozenset[str]:
    if detail is Detail.FULL or not graph.evidence:
        return frozenset(node.id for node in graph.nodes)
    anomalous = graph.anomalous
    if detail is Detail.ANOMALOUS:
        return anomalous
    near = {end for edge in graph.edges for end in (edge.source, edge.target) if {edge.source, edge.target} & anomalous}
    return anomalous | near


def _node_line(graph: EntityGraph, node: Node, marked: set[tuple[str, str]], shown: frozenset[str]) -> str:
    label = f" {spelled(node.label)}" if node.label else ""
    parts = [_measured(measured, marked=(node.id, measured.property) in marked) for measured in node.measured]
    parts += [_stated(state) for state in node.states]
    parts += [_occurred(event) for event in node.events]
    relations = list(_relations(graph, node, shown))
    return f"{spelled(node.id)} ({node.type}{label}): " + "; ".join([*(parts or ["silent"]), *relations])


def _occurred(event: Occurred) -> str:
    last = ", ".join(f"{spelled(each.word)} at {second(each.at_ns)}" for each in event.last)
    more = f", the last of {event.n}" if event.n > len(event.last) else ""
    return f"{event.property}: {last}{more}"


def _stated(state: Stated) -> str:
    if not state.changes:
        return f"{state.property} {spelled(state.word)} since {second(state.since_ns)}"
    changes = "".join(f", {spelled(change.word)} from {second(change.at_ns)}" for change in state.changes)
    return f"{state.property} !! {spelled(state.before)}{changes}"


def _measured(measured: Measured, *, marked: bool) -> str:
    unit = f" {spelled(measured.unit)}" if measured.unit else ""
    text = f"{measured.property} {number(measured.mean)}{unit}"
    if not marked:
        return text
    return (
        f"{text} !! min {number(measured.min)} max {number(measured.max)} last {number(measured.last)}"
        f" slope {measured.slope:+.3g}/s"
    )


def _relations(graph: EntityGraph, node: Node, shown: frozenset[str]) -> Iterator[str]:
    for edge in graph.edges:
        if edge.source == node.id and edge.target in shown:
            yield f"{edge.type} {spelled(edge.target)}{_times(edge)}"


def _times(edge: Edge) -> str:
    since = f" from {second(edge.since_ns)}" if edge.since_ns else ""
    return since + (f" until {second(edge.until_ns)}" if edge.until_ns else "")
