"""What a graph knows of the Devices at a site: their ids, types and relations, beside what it says itself."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeglm_api.model import InvalidObject
from edgeglm_api.sensor_graph import Devices, Topology, TopologyEdge, TopologyNode
from edgeglm_operator.device import NOT_ALLOWED, NOT_LISTED, NOT_SERVED, Device, device_from
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.offline.schema_check import schema_faults
from edgeglm_operator.reconcile.compile import compile_bundle
from edgeglm_operator.reconcile.device_topology import with_devices
from edgeglm_operator.reconcile.topology import Topologies
from edgeglm_operator.topology_map import MAX_EDGES, MAX_NODES
from tests.unit.operator.builders import a_node, a_sensor_graph, an_edge_site

NOTHING = Topology()
LOCAL = {"endpoint": {"url": "http://127.0.0.1:9/v1", "model": "m"}}
NEIGHBOURS: dict[str, Any] = {
    "relations": [
        {"type": "partOf", "to": {"type": "Line", "idFromLabel": "line"}},
        {"type": "feeds", "to": {"type": "Tank", "idFromLabel": "feeds"}},
    ]
}
LABEL = st.text("abc-.XY1", min_size=1, max_size=6)


def a_device(name: str, model: str = "pump-v2", **labels: str) -> Device:
    return Device(name=name, node="box-1", model=model, labels=labels)


def devices(**fields: Any) -> Devices:
    found = a_sensor_graph(topology={"devices": fields}).spec.topology.devices
    assert found is not None
    return found


def known(here: Topology, wanted: Devices, *there: Device) -> Topology:
    found = with_devices(here, wanted, there)
    assert isinstance(found, Topology), found
    return found


def types(topology: Topology) -> dict[str, str]:
    return {node.id: node.type for node in topology.nodes}


def edges(topology: Topology) -> list[tuple[str, str, str]]:
    return [(edge.source, edge.type, edge.target) for edge in topology.edges]


def test_of_a_device_so_much_is_kept() -> None:
    raw = {
        "metadata": {"name": "press-1", "namespace": "plant", "labels": {"line": "l1"}},
        "spec": {
            "deviceModelRef": {"name": "press-v2"},
            "nodeName": "box-1",
            "protocol": {"protocolName": "opcua", "configData": {"password": "secret"}},
        },
        "status": {"twins": [{"propertyName": "rms", "reported": {"value": "7"}}]},
    }
    assert device_from(raw) == Device(name="press-1", node="box-1", model="press-v2", labels={"line": "l1"})
    assert "secret" not in str(device_from(raw))
    assert device_from({"metadata": {"name": "bare"}}) == Device(name="bare")
    with pytest.raises(InvalidObject, match=r"spec\.nodeName: Expected `str`"):
        device_from({"metadata": {"name": "odd"}, "spec": {"nodeName": 1}})


def test_each_is_an_entity_with_its_name_and_its_model() -> None:
    found = known(NOTHING, devices(), a_device("press-1", "press-v2"), a_device("lone", ""))
    assert types(found) == {"press-1": "press_v2", "lone": "Device"}
    assert found.edges == ()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("pump-v2", "Pump"),
        ("a.b-c", "a_b_c"),
        ("3d-printer", "model_3d_printer"),
        (".", "model__"),
        ("m" * 200, "m" * 63),
    ],
)
def test_its_type_is_given_or_made_of_its_model(model: str, expected: str) -> None:
    assert types(known(NOTHING, devices(types={"pump-v2": "Pump"}), a_device("x", model))) == {"x": expected}


def test_those_with_the_labels_are_meant() -> None:
    there = (a_device("a", area="east"), a_device("b", area="west"), a_device("c", area="east", old="yes"))
    assert list(types(known(NOTHING, devices(selector={"area": "east"}), *there))) == ["a", "c"]
    assert list(types(known(NOTHING, devices(selector={"area": "east", "old": "yes"}), *there))) == ["c"]


def test_a_label_may_say_the_id_that_messages_have() -> None:
    there = (a_device("pump-a", tag="P-101"), a_device("pump-b", tag=""), a_device("pump-c"))
    assert list(types(known(NOTHING, devices(idFromLabel="tag"), *there))) == ["P-101", "pump-b", "pump-c"]


def test_labels_name_neighbours_that_need_no_device() -> None:
    there = (a_device("p1", line="L1", feeds="p2"), a_device("p2", line="L1", feeds="t1"), a_device("p3", line=""))
    found = known(NOTHING, devices(types={"pump-v2": "Pump"}, **NEIGHBOURS), *there)
    assert types(found) == {"p1": "Pump", "p2": "Pump", "p3": "Pump", "L1": "Line", "t1": "Tank"}
    assert edges(found) == [
        ("p1", "partOf", "L1"),
        ("p1", "feeds", "p2"),
        ("p2", "partOf", "L1"),
        ("p2", "feeds", "t1"),
    ]


def test_neighbours_are_named_by_their_ids() -> None:
    there = (a_device("pump-a", tag="P-1", feeds="P-2"), a_device("pump-b", tag="P-2"))
    assert edges(known(NOTHING, devices(idFromLabel="tag", **NEIGHBOURS), *there)) == [("P-1", "feeds", "P-2")]


def test_what_the_graph_says_itself_counts_more_and_where_it_is_known() -> None:
    """A graph is for many sites, each with Devices of its own."""
    here = Topology(
        nodes=(TopologyNode(id="L1", type="Line", label="filling"), TopologyNode(id="p1", type="Press")),
        edges=(
            TopologyEdge(source="p1", target="L1", type="partOf"),
            TopologyEdge(source="p9", target="L1", type="partOf"),
        ),
    )
    found = known(here, devices(**NEIGHBOURS), a_device("p1", line="L1"), a_device("p2", line="L1"))
    assert found.nodes[:2] == here.nodes
    assert types(found) == {"L1": "Line", "p1": "Press", "p2": "pump_v2"}
    assert edges(found) == [("p1", "partOf", "L1"), ("p2", "partOf", "L1")]


@pytest.mark.parametrize(
    ("there", "problem"),
    [
        (
            [a_device("a", tag="P-1"), a_device("b", tag="P-1")],
            "the Devices a and b both have the id 'P-1'; correct the label tag",
        ),
        (
            [a_device("P-1"), a_device("b", tag="P-1")],
            "the Devices P-1 and b both have the id 'P-1'; correct the label tag",
        ),
        ([a_device("a" * 129)], "has 129 characters, and an id has at most 128"),
        ([a_device(f"d{at}") for at in range(MAX_NODES + 1)], "1025 entities and 0 relations, and 1024 and 2048 are"),
        (
            [a_device(f"d{at}", **{f"r{each}": "x" for each in range(3)}) for at in range(MAX_EDGES // 3 + 1)],
            "684 entities and 2049 relations",
        ),
    ],
)
def test_what_cannot_be_is_told(there: list[Device], problem: str) -> None:
    wanted = devices(
        idFromLabel="tag",
        relations=[{"type": f"t{each}", "to": {"type": "X", "idFromLabel": f"r{each}"}} for each in range(3)],
    )
    found = with_devices(NOTHING, wanted, there)
    assert isinstance(found, str)
    assert problem in found


@settings(max_examples=50)
@given(
    st.dictionaries(LABEL, st.tuples(LABEL, st.dictionaries(st.sampled_from(["tag", "line", "feeds"]), LABEL))),
    st.booleans(),
)
def test_whatever_the_labels_say_it_is_a_topology_that_the_crd_would_take(
    there: dict[str, tuple[str, dict[str, str]]],
    tagged: bool,  # noqa: FBT001 - hypothesis hands it over by position
) -> None:
    wanted = devices(**NEIGHBOURS, **({"idFromLabel": "tag"} if tagged else {}))
    found = with_devices(NOTHING, wanted, [a_device(name, model, **said) for name, (model, said) in there.items()])
    if isinstance(found, str):
        assert tagged
        return
    ids = [node.id for node in found.nodes]
    assert len(ids) == len(set(ids))
    assert {end for edge in found.edges for end in (edge.source, edge.target)} <= set(ids)
    schema = our_crds()["SensorGraph"].schema["properties"]["spec"]["properties"]["topology"]
    said = {
        "nodes": [{"id": node.id, "type": node.type} for node in found.nodes],
        "edges": [{"source": edge.source, "target": edge.target, "type": edge.type} for edge in found.edges],
    }
    assert schema_faults(schema, said) == []


def test_it_is_in_the_bundle_as_the_graph_would_say_it_itself() -> None:
    said = {"nodes": [{"id": "p1", "type": "pump_v2"}, {"id": "L1", "type": "Line"}]}
    said["edges"] = [{"source": "p1", "target": "L1", "type": "partOf"}]
    inline, _ = compile_bundle(an_edge_site(), a_node(), [a_sensor_graph(topology=said, reasoning=LOCAL)], [])
    graph = a_sensor_graph(topology={"devices": NEIGHBOURS}, reasoning=LOCAL)
    brought, refusals = compile_bundle(
        an_edge_site(), a_node(), [graph], [], Topologies(devices=(a_device("p1", line="L1"),))
    )
    assert (brought, refusals) == (inline, {})


@pytest.mark.parametrize("fault", [NOT_LISTED, NOT_SERVED, NOT_ALLOWED])
def test_while_they_are_not_known_the_graph_is_left_out_and_others_go_on(fault: str) -> None:
    graphs = [a_sensor_graph(topology={"devices": {}}, reasoning=LOCAL), a_sensor_graph("other", reasoning=LOCAL)]
    bundle, refusals = compile_bundle(an_edge_site(), a_node(), graphs, [], Topologies(devices=fault))
    assert [graph.name for graph in bundle.graphs] == ["other"]
    assert refusals["line-1"].reason == "DevicesNotReadable"
    assert fault in refusals["line-1"].message
