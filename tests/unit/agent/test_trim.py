"""Trimming keeps what is wrong first, holds the caps, and does the same each time."""

from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.graph.model import Edge, EntityGraph, Node
from edgeglm_agent.graph.trim import trim

from .observations import a_machine_graph, evidence


@st.composite
def graphs(draw: st.DrawFn) -> EntityGraph:
    names = draw(st.lists(st.text("abcdef", min_size=1, max_size=3), unique=True, min_size=1, max_size=12))
    ends = st.sampled_from(names)
    pairs = draw(st.lists(st.tuples(ends, ends), unique=True, max_size=20))
    wrong = draw(st.lists(ends, unique=True, max_size=4))
    return EntityGraph(
        nodes=tuple(Node(id=name, type="Machine") for name in sorted(names)),
        edges=tuple(Edge(f"r{at}", one, other, "feeds") for at, (one, other) in enumerate(sorted(pairs), start=1)),
        evidence=tuple(evidence(at, node) for at, node in enumerate(wrong, start=1)),
    )


@given(graphs(), st.integers(1, 12), st.integers(0, 20))
def test_caps_hold_and_nothing_dangles(graph: EntityGraph, max_nodes: int, max_edges: int) -> None:
    small = trim(graph, max_nodes=max_nodes, max_edges=max_edges)
    kept = {node.id for node in small.nodes}
    assert len(small.nodes) <= max_nodes
    assert len(small.edges) <= max_edges
    assert all({edge.source, edge.target} <= kept for edge in small.edges)
    assert all(item.node in kept for item in small.evidence)
    assert small.truncated == (
        len(small.nodes) < len(graph.nodes)
        or len(small.evidence) < len(graph.evidence)
        or len(small.edges) < len([edge for edge in graph.edges if {edge.source, edge.target} <= kept])
    )


@given(graphs(), st.integers(1, 12))
def test_anomalous_nodes_stay_first(graph: EntityGraph, max_nodes: int) -> None:
    small = trim(graph, max_nodes=max_nodes, max_edges=20)
    worst = [item.node for item in graph.evidence][:max_nodes]
    assert [node.id for node in small.nodes][: len(worst)] == worst


@given(graphs(), st.integers(1, 12), st.randoms())
def test_the_order_of_nodes_in_the_input_does_not_matter(graph: EntityGraph, max_nodes: int, chance: object) -> None:
    nodes, edges = list(graph.nodes), list(graph.edges)
    chance.shuffle(nodes)  # type: ignore[attr-defined]
    chance.shuffle(edges)  # type: ignore[attr-defined]
    shuffled = EntityGraph(nodes=tuple(nodes), edges=tuple(edges), evidence=graph.evidence)
    assert trim(shuffled, max_nodes=max_nodes, max_edges=5) == trim(graph, max_nodes=max_nodes, max_edges=5)


def test_neighbours_of_what_is_wrong_come_before_strangers() -> None:
    small = trim(a_machine_graph("m2"), max_nodes=2, max_edges=5)
    assert [node.id for node in small.nodes] == ["m2", "line"]
    assert [(edge.source, edge.target) for edge in small.edges] == [("m2", "line")]
    assert small.truncated
