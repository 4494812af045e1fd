"""Whom a change concerns."""

from typing import Any

import pytest

from edgeglm_api import labels
from edgeglm_operator.kube.kinds import CONFIG_MAPS, EDGE_SITES, INFERENCE_SERVICES, NODES, PODS, SENSOR_GRAPHS, Kind
from edgeglm_operator.reconcile.triggers import FLEET, concerns, everything
from edgeglm_operator.store import Name, Store
from tests.reconcile.builders import (
    a_sensor_graph,
    an_edge_node,
    an_edge_site,
    an_edge_target,
    an_inference_service,
)

Told = set[tuple[str, str]]


@pytest.fixture
def store() -> Store:
    """Two services that share a port, one that does not, a graph and two sites."""
    store = Store()
    put(store, NODES, an_edge_node("box-1"))
    put(store, INFERENCE_SERVICES, an_inference_service("a", edge=[an_edge_target("box-1", port=8000)]))
    put(store, INFERENCE_SERVICES, an_inference_service("b", edge=[an_edge_target("box-2", port=8000)]))
    put(store, INFERENCE_SERVICES, an_inference_service("c", edge=[an_edge_target("box-2", port=9000)]))
    put(store, INFERENCE_SERVICES, an_inference_service("cloud"))
    put(store, SENSOR_GRAPHS, a_sensor_graph("line", "box-1"))
    put(store, EDGE_SITES, an_edge_site("box-1", "box-1"))
    put(store, EDGE_SITES, an_edge_site("box-2", "box-2"))
    return store


def put(store: Store, kind: Kind, manifest: dict[str, Any], *, version: int = 1, generation: int = 1) -> Told:
    """Observe it; whom that concerns."""
    metadata = manifest["metadata"]
    metadata |= {"uid": f"{kind.plural}-{metadata['name']}", "resourceVersion": str(version), "generation": generation}
    change = store.put(kind, manifest)
    return set() if change is None else {(key.kind, key.name) for key in concerns(store, change)}


def gone(store: Store, kind: Kind, namespace: str, name: str) -> Told:
    change = store.remove(kind, Name(namespace, name))
    assert change is not None
    return {(key.kind, key.name) for key in concerns(store, change)}


def test_a_service_concerns_itself_the_fleet_the_bundles_and_those_that_share_its_port(store: Store) -> None:
    changed = an_inference_service("a", edge=[an_edge_target("box-1", port=8000)])

    told = put(store, INFERENCE_SERVICES, changed, version=2, generation=2)

    assert told == {
        *(("InferenceService", name) for name in ("a", "b")),
        *(("EdgeSite", name) for name in ("box-1", "box-2")),
        ("SensorGraph", "line"),
        (FLEET, ""),
    }


def test_a_port_that_became_free_concerns_those_that_want_it(store: Store) -> None:
    moved = an_inference_service("a", edge=[an_edge_target("box-1", port=9000)])

    told = put(store, INFERENCE_SERVICES, moved, version=2, generation=2)

    assert {("InferenceService", name) for name in ("a", "b", "c")} <= told
    assert ("InferenceService", "b") in gone(store, INFERENCE_SERVICES, "plant", "b")


def test_the_status_of_a_service_concerns_nobody_else(store: Store) -> None:
    changed = an_inference_service("cloud") | {"status": {"url": "x"}}

    assert put(store, INFERENCE_SERVICES, changed, version=2) == {("InferenceService", "cloud")}


def test_a_graph_concerns_itself_the_fleet_and_the_bundles(store: Store) -> None:
    told = put(store, SENSOR_GRAPHS, a_sensor_graph("other", "box-2"))

    assert {("SensorGraph", "other"), (FLEET, ""), ("EdgeSite", "box-2")} <= told


def test_a_site_concerns_itself_its_twins_the_graphs_the_fleet_and_who_has_an_engine_there(store: Store) -> None:
    told = put(store, EDGE_SITES, an_edge_site("north", "box-1"))

    others = {("EdgeSite", "box-1"), ("SensorGraph", "line"), ("InferenceService", "a"), (FLEET, "")}
    assert told == {("EdgeSite", "north"), *others}


@pytest.mark.parametrize("kind", [CONFIG_MAPS, PODS])
@pytest.mark.parametrize(
    ("label", "owner"), [(labels.SERVICE, "InferenceService"), (labels.SITE, "EdgeSite")], ids=["service", "site"]
)
def test_a_child_concerns_its_owner(store: Store, kind: Kind, label: str, owner: str) -> None:
    child = {"metadata": {"name": "child", "namespace": "plant", "labels": {label: "x"}}}

    assert put(store, kind, child) == {(owner, "x")}
    assert gone(store, kind, "plant", "child") == {(owner, "x")}


def test_a_child_of_nobody_concerns_nobody(store: Store) -> None:
    assert put(store, CONFIG_MAPS, {"metadata": {"name": "child", "namespace": "plant"}}) == set()


def test_a_node_concerns_those_that_select_it_and_its_sites(store: Store) -> None:
    told = put(store, NODES, an_edge_node("box-1", ready=False), version=2)

    assert told == {("InferenceService", "a"), ("SensorGraph", "line"), ("EdgeSite", "box-1"), (FLEET, "")}


def test_a_node_that_is_no_longer_selected_concerns_those_that_selected_it(store: Store) -> None:
    other = an_edge_node("box-1")
    other["metadata"]["labels"] = {}

    assert ("InferenceService", "a") in put(store, NODES, other, version=2)


def test_everything_is_all_objects_and_one_fleet_a_namespace(store: Store) -> None:
    keys = [(key.kind, key.name) for key in everything(store)]

    assert len(keys) == len(set(keys)) == 4 + 1 + 2 + 1
