"""What a ConfigMap says of a topology is checked as the CRD checks what a graph says itself, and told by its place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_api.bundle import MAX_BYTES
from edgeglm_api.sensor_graph import Topology, TopologyEdge, TopologyNode
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.reconcile.compile import compile_bundle
from edgeglm_operator.reconcile.topology import Topologies
from edgeglm_operator.topology_map import MAX_EDGES, MAX_KEYS, MAX_NODES, TopologyMap, topology_map_from
from tests.unit.operator.builders import a_node, a_sensor_graph, an_edge_site, an_inference_service

PRESS = {"id": "press-1", "type": "Machine", "label": "the old one"}
LINE = {"id": "l1", "type": "Line"}
PART = {"source": "press-1", "target": "l1", "type": "partOf"}
REF = {"configMapRef": {"name": "plant", "key": "line-1.json"}}
LOCAL = {"endpoint": {"url": "http://127.0.0.1:9/v1", "model": "m"}}
KNOWN = Topology(
    nodes=(TopologyNode(id="press-1", type="Machine", label="the old one"), TopologyNode(id="l1", type="Line")),
    edges=(TopologyEdge(source="press-1", target="l1", type="partOf"),),
)


def read(said: object) -> Topology | str:
    text = said if isinstance(said, str) else json.dumps(said)
    return topology_map_from({"data": {"line-1.json": text}}).keys["line-1.json"]


def test_it_is_read_as_the_graph_would_say_it_itself() -> None:
    assert read({"nodes": [PRESS, LINE], "edges": [PART]}) == KNOWN
    inline, _ = compile_bundle(
        an_edge_site(),
        a_node(),
        [a_sensor_graph(topology={"nodes": [PRESS, LINE], "edges": [PART]}, reasoning=LOCAL)],
        [],
    )
    brought, refusals = compile_bundle(
        an_edge_site(),
        a_node(),
        [a_sensor_graph(topology=REF, reasoning=LOCAL)],
        [],
        Topologies({"plant": TopologyMap({"line-1.json": KNOWN})}),
    )
    assert (brought, refusals) == (inline, {})


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "is not JSON"),
        ("nodes: []", "is not JSON"),
        ([], "as a whole: Expected `object`, got `array`"),
        ({}, "as a whole: Object missing required field `nodes`"),
        ({"nodes": [], "edge": []}, "as a whole: Object contains unknown field `edge`"),
        ({"nodes": [{"id": "a"}]}, "nodes[0]: Object missing required field `type`"),
        ({"nodes": [{"id": "", "type": "A"}]}, "nodes[0].id: Expected `str` of length >= 1"),
        ({"nodes": [{"id": "a" * 129, "type": "A"}]}, "nodes[0].id: Expected `str` of length <= 128"),
        ({"nodes": [{"id": "a", "type": "a type"}]}, "nodes[0].type: Expected `str` matching regex"),
        ({"nodes": [PRESS, LINE, PRESS]}, "nodes: id 'press-1' stands 2 times; keep one"),
        ({"nodes": [LINE], "edges": [PART]}, "edges[0].source: 'press-1' is not among the nodes"),
        ({"nodes": [{"id": str(at), "type": "A"} for at in range(MAX_NODES + 1)]}, "nodes: Expected `array` of length"),
        ({"nodes": [PRESS, LINE], "edges": [PART] * (MAX_EDGES + 1)}, "edges: Expected `array` of length"),
        (json.dumps({"nodes": []}) + " " * MAX_BYTES, "has 131085 bytes, and a topology has at most 131072"),
        ("[" * 100_000, "as a whole: Expected `object`, got `array`"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(said: object, problem: str) -> None:
    found = read(said)
    assert isinstance(found, str)
    assert problem in found


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_nothing_that_stands_there_is_more_than_a_problem(said: Any) -> None:
    assert isinstance(read(said), (str, Topology))


def test_of_one_config_map_so_many_keys_are_read() -> None:
    text = json.dumps({"nodes": [LINE]})
    assert len(topology_map_from({"data": {f"{at:03}": text for at in range(100)}}).keys) == MAX_KEYS
    assert topology_map_from({}).keys == {}


def test_bounds_and_patterns_are_those_of_the_crd() -> None:
    """Whoever moves an inline topology into a ConfigMap must not find that it is another."""
    inline = our_crds()["SensorGraph"].schema["properties"]["spec"]["properties"]["topology"]["properties"]
    node, edge = (inline[each]["items"]["properties"] for each in ("nodes", "edges"))
    for name, schema in (*node.items(), *edge.items()):
        assert schema["maxLength"] == (63 if name == "type" else 128)
    assert {node["type"]["pattern"], edge["type"]["pattern"]} == {"^[A-Za-z][A-Za-z0-9_]*$"}
    assert (node["id"]["minLength"], edge["source"]["minLength"], edge["target"]["minLength"]) == (1, 1, 1)
    assert (inline["nodes"]["maxItems"], inline["edges"]["maxItems"]) <= (MAX_NODES, MAX_EDGES)


@pytest.mark.parametrize(
    ("topologies", "reason", "words"),
    [
        ({}, "TopologyNotFound", "there is no ConfigMap plant/plant with the label edgeglm.io/topology"),
        ({"plant": TopologyMap({})}, "TopologyNotFound", "ConfigMap plant/plant has no key line-1.json in its data"),
        (
            {"plant": TopologyMap({"line-1.json": "nodes[0].id: is odd"})},
            "InvalidTopology",
            "ConfigMap plant/plant: data[line-1.json]: nodes[0].id: is odd",
        ),
    ],
)
def test_without_it_the_graph_is_left_out_and_others_go_on(
    topologies: dict[str, TopologyMap], reason: str, words: str
) -> None:
    graphs = [a_sensor_graph(topology=REF), a_sensor_graph("other", reasoning=LOCAL)]
    bundle, refusals = compile_bundle(
        an_edge_site(), a_node(), graphs, [an_inference_service()], Topologies(topologies)
    )
    assert [graph.name for graph in bundle.graphs] == ["other"]
    assert refusals["line-1"].reason == reason
    assert words in refusals["line-1"].message
