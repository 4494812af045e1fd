"""Degree, distance and components are what a slow and simple reckoning finds; what they say is told where it helps."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.graph.encode import Detail
from edgeglm_agent.graph.model import Edge, EntityGraph, Node
from edgeglm_agent.graph.shape import groups_of, neighbours_of, within
from edgeglm_agent.graph.trim import trim
from edgeglm_agent.reason.path import shortest_path
from edgeglm_agent.reason.prompt import question
from edgeglm_agent.reason.tasks import TASKS
from edgeglm_api.sensor_graph import Question, RelationType

from .observations import evidence
from .test_asker import a_request
from .test_trim import graphs

FAR = 1_000


def distances(graph: EntityGraph) -> dict[tuple[str, str], int]:
    """Floyd and Warshall's."""
    names = [node.id for node in graph.nodes]
    far = {(one, other): 0 if one == other else FAR for one in names for other in names}
    for edge in graph.edges:
        if edge.source != edge.target:
            far[edge.source, edge.target] = far[edge.target, edge.source] = 1
    for via, one, other in itertools.product(names, repeat=3):
        far[one, other] = min(far[one, other], far[one, via] + far[via, other])
    return far


@given(graphs(), st.integers(0, 5))
def test_within_so_many_hops_is_who_is_as_near(graph: EntityGraph, hops: int) -> None:
    far, start = distances(graph), sorted(graph.anomalous)
    expected = {node.id for node in graph.nodes if any(far[each, node.id] <= hops for each in start)}
    assert within(neighbours_of(graph), start, hops) == expected


@given(graphs())
def test_groups_are_those_between_which_there_is_no_way(graph: EntityGraph) -> None:
    far, names = distances(graph), [node.id for node in graph.nodes]
    groups = groups_of(names, graph)
    assert sorted(itertools.chain(*groups)) == sorted(names)
    place = {node: at for at, group in enumerate(groups) for node in group}
    assert all((far[one, other] < FAR) == (place[one] == place[other]) for one in names for other in names)
    assert groups == sorted(sorted(group) for group in groups)


@given(graphs())
def test_the_degree_of_a_node_is_the_number_of_others_next_to_it(graph: EntityGraph) -> None:
    pairs = {frozenset((edge.source, edge.target)) for edge in graph.edges}
    for node, near in neighbours_of(graph).items():
        assert len(near - {node}) == sum(node in pair and len(pair) == 2 for pair in pairs)


# Trimming.


@given(graphs(), st.integers(0, 4), st.integers(1, 12))
def test_with_hops_what_is_further_away_goes_and_that_is_told(graph: EntityGraph, hops: int, max_nodes: int) -> None:
    small = trim(graph, max_nodes=max_nodes, max_edges=20, hops=hops)
    near = within(neighbours_of(graph), graph.anomalous, hops) if graph.evidence else {node.id for node in graph.nodes}
    kept = {node.id for node in small.nodes}
    assert kept <= near
    assert len(kept) == min(len(near), max_nodes)
    assert small.truncated or small.nodes == trim(graph, max_nodes=12, max_edges=20).nodes
    assert small.truncated or len(kept) == len(graph.nodes)


@given(graphs())
def test_far_enough_is_everything_that_is_connected(graph: EntityGraph) -> None:
    wide, all_of_it = trim(graph, max_nodes=12, max_edges=20, hops=12), trim(graph, max_nodes=12, max_edges=20)
    reached = within(neighbours_of(graph), graph.anomalous) if graph.evidence else {node.id for node in graph.nodes}
    assert [node.id for node in wide.nodes] == [node.id for node in all_of_it.nodes if node.id in reached]


# What it says to a question.


def a_graph_of(*edges: tuple[str, str, str], wrong: str = "", lone: str = "") -> EntityGraph:
    """Nodes are called by their type and a number."""
    names = sorted({*itertools.chain(*((one, other) for one, _, other in edges)), *lone.split()})
    return EntityGraph(
        nodes=tuple(Node(id=name, type=name.rstrip("0123456789").title()) for name in names),
        edges=tuple(Edge(f"r{at}", one, other, kind) for at, (one, kind, other) in enumerate(sorted(edges), start=1)),
        evidence=tuple(evidence(at, node) for at, node in enumerate(wrong.split(), start=1)),
    )


def facts(task: str, graph: EntityGraph, **changes: object) -> list[str]:
    asked = msgspec.structs.replace(Question(task="RootCause"), task=task, **changes)
    return list(TASKS[task].facts(graph, asked))


def test_of_a_cause_it_is_told_what_cannot_have_led_to_what() -> None:
    graph = a_graph_of(("pump1", "feeds", "tank1"), ("pump2", "feeds", "tank2"), wrong="tank1 pump2 pump1 tank2")
    (line,) = facts("RootCause", graph)
    assert line == "No relations connect these: pump1, tank1 | pump2, tank2"
    assert not shortest_path(graph, "pump1", "tank2")


@given(graphs())
def test_no_cause_that_would_stand_is_said_to_be_unconnected(graph: EntityGraph) -> None:
    groups = groups_of(graph.anomalous, graph)
    for one, other in itertools.combinations(groups, 2):
        assert not any(shortest_path(graph, a, b) or shortest_path(graph, b, a) for a in one for b in other)


def test_where_all_is_connected_it_costs_nothing() -> None:
    assert facts("RootCause", a_graph_of(("pump1", "feeds", "tank1"), wrong="pump1 tank1")) == []
    assert facts("Anomaly", a_graph_of(("pump1", "feeds", "tank1"), wrong="pump1", lone="tank9")) == []


def test_of_missing_relations_it_is_told_who_lacks_what_most_have() -> None:
    graph = a_graph_of(
        *((f"pump{at}", "partOf", "line1") for at in (1, 2, 3)), ("pump1", "feeds", "pump2"), lone="pump4 valve1"
    )
    allowed = (RelationType(type="partOf", source="Pump", target="Line"), RelationType(type="feeds"))
    assert facts("LinkCompletion", graph, relation_types=allowed) == [
        "Without partOf to a Line, which 3 of 4 Pump have: pump4"
    ]


def test_of_many_that_lack_it_the_first_are_named() -> None:
    graph = a_graph_of(
        *((f"pump{at}", "in", "line1") for at in range(30)), lone=" ".join(f"pump{at}" for at in range(30, 50))
    )
    (line,) = facts("LinkCompletion", graph, relation_types=(RelationType(type="in"),))
    assert line.startswith("Without in, which 30 of 50 Pump have: pump30, pump31")
    assert len(line.partition(": ")[2].split(", ")) == 8


@pytest.mark.parametrize("truncated", [False, True])
@pytest.mark.parametrize("detail", list(Detail))
def test_of_a_part_of_the_graph_nothing_is_said(detail: Detail, *, truncated: bool) -> None:
    graph = a_graph_of(("pump1", "feeds", "tank1"), ("pump2", "feeds", "tank2"), wrong="pump1 pump2")
    request = msgspec.structs.replace(
        a_request("m1"),
        subject=msgspec.structs.replace(graph, truncated=truncated),
        question=Question(task="RootCause"),
    )
    told = "No relations connect" in question(request, detail)[1]["content"]
    assert told is (detail is Detail.FULL and not truncated)
