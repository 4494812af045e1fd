"""A topology in a ConfigMap: it reaches the bundle, its changes do, and what is wrong with it darkens no site."""

import json
from typing import Any

import pytest

from edgeglm_api import labels
from edgeglm_api.bundle import BUNDLE_FILE
from edgeglm_operator.kube.kinds import CONFIG_MAPS, EDGE_SITES, SENSOR_GRAPHS
from edgeglm_operator.resources.names import bundle_name
from edgeglm_operator.store import Name
from edgeglm_operator.topology_room import MAX_MAPS, MAX_NAMESPACE_BYTES
from tests.reconcile.builders import PLANT, a_sensor_graph, an_edge_node
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import reconciled

Manifest = dict[str, Any]

ENDPOINT = {"endpoint": {"url": "http://127.0.0.1:9/v1", "model": "m"}}


def a_topology(*nodes: str, name: str = "plant", **changes: Any) -> Manifest:
    said = json.dumps({"nodes": [{"id": each, "type": "Machine"} for each in nodes]})
    metadata = {"name": name, "namespace": PLANT, "labels": {labels.TOPOLOGY: ""}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"line.json": said}} | changes


@pytest.fixture
def cluster() -> InMemoryCluster:
    """A graph with a topology that is not there yet, and one without any at another site."""
    cluster = InMemoryCluster()
    for node in ("box-1", "box-2"):
        cluster.put(an_edge_node(node))
    ref = {"configMapRef": {"name": "plant", "key": "line.json"}}
    cluster.put(a_sensor_graph("line", "box-1", topology=ref, reasoning=ENDPOINT))
    cluster.put(a_sensor_graph("other", "box-2", reasoning=ENDPOINT))
    return cluster


def accepted(cluster: InMemoryCluster, name: str = "line") -> tuple[str, str]:
    conditions = cluster.objects[SENSOR_GRAPHS, Name(PLANT, name)]["status"]["conditions"]
    (found,) = (each for each in conditions if each["type"] == "Accepted")
    return found["status"], found["reason"]


def nodes_at(cluster: InMemoryCluster, site: str = "box-1") -> list[str] | None:
    """Of the topology of the only graph of a site; None where it has no bundle."""
    config_map = cluster.objects.get((CONFIG_MAPS, Name(PLANT, bundle_name(site))))
    if config_map is None:
        return None
    (graph,) = json.loads(config_map["data"][BUNDLE_FILE])["graphs"]
    return [node["id"] for node in graph.get("topology", {}).get("nodes", [])]


def put_anew(cluster: InMemoryCluster, config_map: Manifest) -> None:
    cluster.remove(CONFIG_MAPS, PLANT, config_map["metadata"]["name"])
    cluster.put(config_map)


async def test_it_reaches_the_bundle_and_its_changes_do(cluster: InMemoryCluster) -> None:
    operator = await reconciled(cluster)
    assert (accepted(cluster), nodes_at(cluster)) == (("False", "TopologyNotFound"), None)

    for nodes in (["m1"], ["m1", "m2"]):
        cluster.put(a_topology(*nodes))
        await operator.look()
        assert (accepted(cluster)[0], nodes_at(cluster)) == ("True", nodes)
    assert cluster.objects[EDGE_SITES, Name(PLANT, "box-1")]["status"]["bundle"]["generation"] == 2


async def test_a_restart_over_it_writes_nothing(cluster: InMemoryCluster) -> None:
    cluster.put(a_topology("m1"))
    await reconciled(cluster)
    written = len(cluster.writes)
    await (await reconciled(cluster)).look()
    assert cluster.writes[written:] == []


@pytest.mark.parametrize(
    ("others", "text"),
    [(MAX_MAPS, "{}"), (4, " " * (MAX_NAMESPACE_BYTES // 4))],
    ids=["too many", "too large"],
)
async def test_of_more_than_there_is_room_for_the_first_are_read_and_the_rest_is_told(
    cluster: InMemoryCluster, others: int, text: str
) -> None:
    """In the order of their names. What ran goes on, and another namespace is not concerned."""
    cluster.put(a_topology("m1"))
    operator = await reconciled(cluster)
    assert (accepted(cluster)[0], nodes_at(cluster)) == ("True", ["m1"])
    for number in range(others):
        cluster.put(a_topology(name=f"a-{number}", data={"big": text}))
    elsewhere = a_topology("m1")
    elsewhere["metadata"]["namespace"] = "elsewhere"
    cluster.put(elsewhere)

    await operator.look()
    assert (accepted(cluster), nodes_at(cluster)) == (("False", "TooManyTopologies"), ["m1"])
    assert len(operator.store.topologies) == others + 1
    assert b"edgeglm_topologies_not_read 1.0" in operator.world.metrics.render()
    written = len(cluster.writes)
    await operator.look()
    await reconciled(cluster)
    assert cluster.writes[written:] == [], "told once, and after a restart the same is read"

    cluster.remove(CONFIG_MAPS, PLANT, "a-0")
    await operator.look()
    assert (accepted(cluster)[0], nodes_at(cluster)) == ("True", ["m1"])


async def test_one_that_never_was_read_is_told_too(cluster: InMemoryCluster) -> None:
    """No event comes of it, since it is nowhere."""
    operator = await reconciled(cluster)
    assert accepted(cluster) == ("False", "TopologyNotFound")
    for number in range(MAX_MAPS):
        cluster.put(a_topology(name=f"a-{number}", data={}))
    cluster.put(a_topology("m1"))
    await operator.look()
    assert accepted(cluster) == ("False", "TooManyTopologies")


async def test_without_the_label_it_is_not_read(cluster: InMemoryCluster) -> None:
    hidden = a_topology("secret-machine")
    hidden["metadata"]["labels"] = {"app": "someones"}
    cluster.put(hidden)
    operator = await reconciled(cluster)
    await operator.look()
    assert (accepted(cluster), nodes_at(cluster)) == (("False", "TopologyNotFound"), None)
    assert "secret-machine" not in str(cluster.objects[SENSOR_GRAPHS, Name(PLANT, "line")])
    assert ("get", CONFIG_MAPS, Name(PLANT, "plant")) not in cluster.requests


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda cluster: cluster.remove(CONFIG_MAPS, PLANT, "plant"), "TopologyNotFound"),
        (lambda cluster: cluster.put(a_topology(data={"line.json": "{"})), "InvalidTopology"),
        (lambda cluster: put_anew(cluster, a_topology(data={"line-2.json": "{}"})), "TopologyNotFound"),
    ],
    ids=["gone", "broken", "another key"],
)
async def test_what_ran_goes_on_with_what_it_has_and_says_why(
    cluster: InMemoryCluster, spoil: Any, reason: str
) -> None:
    cluster.put(a_topology("m1"))
    operator = await reconciled(cluster)

    spoil(cluster)
    await operator.look()
    assert (accepted(cluster), nodes_at(cluster)) == (("False", reason), ["m1"])
    await reconciled(cluster)
    assert nodes_at(cluster) == ["m1"], "after a restart too"

    cluster.put(a_topology("m1", "m2"))
    await operator.look()
    assert (accepted(cluster)[0], nodes_at(cluster)) == ("True", ["m1", "m2"])


async def test_it_concerns_its_namespace_alone(cluster: InMemoryCluster) -> None:
    operator = await reconciled(cluster)
    elsewhere = a_topology("m1")
    elsewhere["metadata"]["namespace"] = "elsewhere"
    cluster.put(elsewhere)
    await operator.look()
    assert accepted(cluster) == ("False", "TopologyNotFound")
