"""KubeEdge's Devices as a topology: they reach the bundles of their sites, and their twins reach nobody."""

import json
from functools import partial
from typing import Any

import pytest

from edgeglm_api import labels
from edgeglm_api.bundle import BUNDLE_FILE
from edgeglm_operator.kube.errors import Forbidden, Unavailable
from edgeglm_operator.kube.kinds import CONFIG_MAPS, DEVICES, SENSOR_GRAPHS
from edgeglm_operator.resources.names import bundle_name
from edgeglm_operator.settings import Settings
from edgeglm_operator.shard import shard_of
from edgeglm_operator.store import Name
from edgeglm_operator.workqueue import Key
from tests.reconcile.builders import PLANT, a_sensor_graph, an_edge_node, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

Manifest = dict[str, Any]

ENDPOINT = {"endpoint": {"url": "http://127.0.0.1:9/v1", "model": "m"}}
BOTH = {"nodeNames": ["box-1", "box-2"]}
TWIN_REPORTS = 100


def a_device(name: str, node: str = "box-1", namespace: str = PLANT, **said: str) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": said}
    spec = {"nodeName": node, "deviceModelRef": {"name": "pump-v2"}}
    return {"apiVersion": DEVICES.api_version, "kind": DEVICES.name, "metadata": metadata, "spec": spec}


@pytest.fixture
def cluster() -> InMemoryCluster:
    """A graph of Devices at two sites, with KubeEdge's API and no Device yet."""
    cluster = InMemoryCluster()
    cluster.offer(DEVICES)
    for node in ("box-1", "box-2"):
        cluster.put(an_edge_node(node))
    cluster.put(a_sensor_graph("line", topology={"devices": {}}, reasoning=ENDPOINT, sites=BOTH))
    return cluster


def accepted(cluster: InMemoryCluster, name: str = "line") -> tuple[str, str]:
    conditions = cluster.objects[SENSOR_GRAPHS, Name(PLANT, name)]["status"]["conditions"]
    (found,) = (each for each in conditions if each["type"] == "Accepted")
    return found["status"], found["reason"] if found["status"] == "False" else ""


def known_at(
    cluster: InMemoryCluster, site: str = "box-1", graph: str = "line", namespace: str = PLANT
) -> list[str] | None:
    """What a graph knows beforehand at a site; None where it is not in the bundle."""
    config_map = cluster.objects.get((CONFIG_MAPS, Name(namespace, bundle_name(site))))
    graphs = json.loads(config_map["data"][BUNDLE_FILE])["graphs"] if config_map else []
    found = [each for each in graphs if each["name"] == graph]
    return [node["id"] for node in found[0].get("topology", {}).get("nodes", [])] if found else None


def fail_lists_in(cluster: InMemoryCluster, namespace: str) -> None:
    """Of Devices: the server does not answer them."""

    def fail(number: int) -> None:
        if cluster.requests[number - 1] == ("list", DEVICES, Name(namespace, "")):
            raise Unavailable("down")

    cluster.before = fail


def forbid_lists(cluster: InMemoryCluster) -> None:
    """Of Devices, as without `rbac.devices`."""

    def forbid(number: int) -> None:
        if cluster.requests[number - 1][:2] == ("list", DEVICES):
            raise Forbidden("no", verb="list", resource="devices")

    cluster.before = forbid


def generation(cluster: InMemoryCluster, site: str = "box-1") -> int:
    config_map = cluster.objects[CONFIG_MAPS, Name(PLANT, bundle_name(site))]
    return int(config_map["metadata"]["annotations"][labels.BUNDLE_GENERATION])


async def test_each_site_has_those_of_its_node_and_follows_them(cluster: InMemoryCluster) -> None:
    cluster.put(a_device("p1"))
    cluster.put(a_device("far", "box-2"))
    cluster.put(a_device("nowhere", ""))
    cluster.put(a_device("elsewhere", namespace="elsewhere"))
    operator = await reconciled(cluster)
    assert (accepted(cluster), known_at(cluster), known_at(cluster, "box-2")) == (("True", ""), ["p1"], ["far"])

    cluster.put(a_device("p2"))
    await operator.look()
    assert (known_at(cluster), generation(cluster), generation(cluster, "box-2")) == (["p1", "p2"], 2, 1)
    cluster.put(a_device("p2", "box-2"))
    await operator.look()
    assert (known_at(cluster), known_at(cluster, "box-2")) == (["p1"], ["far", "p2"])
    cluster.remove(DEVICES, PLANT, "p1")
    await operator.look()
    assert (known_at(cluster), generation(cluster), generation(cluster, "box-2")) == ([], 4, 2)


async def test_reports_of_twins_cause_no_reconcile_and_no_write(cluster: InMemoryCluster) -> None:
    """Each rewrites the Device and counts as a new generation: in KubeEdge's CRD the status is no subresource."""
    cluster.put(a_device("p1", line="l1"))
    operator = await reconciled(cluster)
    written, before = len(cluster.writes), generation(cluster)
    keys: list[Any] = []
    operator.feed._enqueue = keys.append
    for report in range(TWIN_REPORTS):
        live = cluster.live(DEVICES, PLANT, "p1") or {}
        twins = [{"propertyName": "rms", "reported": {"value": str(report)}}]
        metadata = {**live["metadata"], "generation": live["metadata"]["generation"] + 1}
        cluster.put({**live, "metadata": metadata, "status": {"twins": twins}})
        await operator.look()
    assert (keys, cluster.writes[written:], generation(cluster)) == ([], [], before)

    cluster.put(a_device("p1", line="l2"))
    await operator.look()
    assert [key.kind for key in keys] == ["EdgeSite"], "the test of the test: labels do concern its site"


async def test_an_api_that_comes_later_is_noticed_and_one_that_goes_takes_nothing_with_it(
    cluster: InMemoryCluster,
) -> None:
    cluster.withdraw(DEVICES)
    cluster.put(a_sensor_graph("other", "box-1", reasoning=ENDPOINT))
    operator = await reconciled(cluster)
    assert (accepted(cluster), known_at(cluster)) == (("False", "DevicesNotReadable"), None)
    assert (accepted(cluster, "other"), known_at(cluster, graph="other")) == (("True", ""), [])

    cluster.offer(DEVICES)
    cluster.put(a_device("p1"))
    await operator.look()
    assert (accepted(cluster), known_at(cluster)) == (("True", ""), ["p1"])

    cluster.served.discard(DEVICES)
    await operator.look()
    assert (accepted(cluster), known_at(cluster)) == (("False", "DevicesNotReadable"), ["p1"])
    operator = await reconciled(cluster)
    assert known_at(cluster) == ["p1"], "after a restart too"

    cluster.remove(DEVICES, PLANT, "p1")
    cluster.put(a_device("p2"))
    cluster.offer(DEVICES)
    await operator.look()
    assert (accepted(cluster), known_at(cluster)) == (("True", ""), ["p2"])


async def test_whether_they_can_be_read_concerns_the_namespace_and_no_inference_service(
    cluster: InMemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = a_sensor_graph("other", "box-1", reasoning=ENDPOINT)
    elsewhere["metadata"]["namespace"] = "elsewhere"
    cluster.put(elsewhere)
    cluster.put(an_inference_service("llm"))
    operator = await reconciled(cluster)
    keys: list[Key] = []
    operator.feed._enqueue = keys.append
    monkeypatch.setattr(operator.queue, "add", keys.append)
    for change in (partial(forbid_lists, cluster), cluster.heal):
        change()
        await operator.discovery.look()
        assert sorted(keys) == [
            Key("EdgeSite", PLANT, "box-1"),
            Key("EdgeSite", PLANT, "box-2"),
            Key("SensorGraph", PLANT, "line"),
        ]
        keys.clear()
        await operator.discovery.look()
        assert keys == [], "the same as before is no news"


async def test_without_the_right_it_says_so_and_takes_nothing_away(cluster: InMemoryCluster) -> None:
    cluster.put(a_device("p1"))
    operator = await reconciled(cluster)
    forbid_lists(cluster)
    await operator.look()
    assert (accepted(cluster), known_at(cluster)) == (("False", "DevicesNotReadable"), ["p1"])
    conditions = cluster.objects[SENSOR_GRAPHS, Name(PLANT, "line")]["status"]["conditions"]
    assert any("rbac.devices" in each["message"] for each in conditions)
    cluster.heal()
    await operator.look()
    assert accepted(cluster) == ("True", "")


async def test_a_list_that_fails_changes_nothing(cluster: InMemoryCluster) -> None:
    cluster.put(a_device("p1"))
    operator = await reconciled(cluster)
    written = len(cluster.writes)
    fail_lists_in(cluster, PLANT)
    await operator.look()
    assert cluster.writes[written:] == []


async def test_a_namespace_whose_list_fails_keeps_nobody_else_waiting(cluster: InMemoryCluster) -> None:
    """Not from the start on, and neither the Devices of another namespace nor topologies of ConfigMaps."""
    there = a_sensor_graph("line", "box-1", topology={"devices": {}}, reasoning=ENDPOINT)
    there["metadata"]["namespace"] = "works"
    cluster.put(there)
    ref = {"configMapRef": {"name": "plant", "key": "line.json"}}
    cluster.put(a_sensor_graph("drawn", "box-2", topology=ref, reasoning=ENDPOINT))
    fail_lists_in(cluster, PLANT)
    operator = await reconciled(cluster)
    assert (accepted(cluster), known_at(cluster)) == (("False", "DevicesNotReadable"), None)

    cluster.put(a_device("p1"))
    cluster.put(a_device("w1", namespace="works"))
    data = {"line.json": json.dumps({"nodes": [{"id": "m1", "type": "Machine"}]})}
    metadata = {"name": "plant", "namespace": PLANT, "labels": {labels.TOPOLOGY: ""}}
    cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    await operator.look()
    assert accepted(cluster) == ("False", "DevicesNotReadable")
    assert known_at(cluster, namespace="works") == ["w1"]
    assert (accepted(cluster, "drawn"), known_at(cluster, "box-2", "drawn")) == (("True", ""), ["m1"])

    cluster.heal()
    await operator.look()
    assert (accepted(cluster), known_at(cluster)) == (("True", ""), ["p1"])


async def test_meanwhile_its_sites_get_no_other_bundle_unless_the_graph_is_suspended(cluster: InMemoryCluster) -> None:
    """For their other graphs neither, as docs/guide/sensors.md says."""
    cluster.put(a_device("p1"))
    cluster.put(a_sensor_graph("other", "box-1", reasoning=ENDPOINT))
    operator = await reconciled(cluster)
    forbid_lists(cluster)
    await operator.look()
    cluster.put(a_sensor_graph("other", "box-1", reasoning=ENDPOINT, topology={"nodes": [{"id": "m1", "type": "M"}]}))
    await operator.settle()
    assert (known_at(cluster), known_at(cluster, graph="other")) == (["p1"], [])

    cluster.put(a_sensor_graph("line", topology={"devices": {}}, reasoning=ENDPOINT, sites=BOTH, suspend=True))
    await operator.settle()
    assert (known_at(cluster), known_at(cluster, graph="other")) == (None, ["m1"])


async def test_they_are_listed_where_a_graph_asks_and_forgotten_where_none_does(cluster: InMemoryCluster) -> None:
    cluster.put(a_device("p1"))
    cluster.put(a_device("p1", namespace="elsewhere"))
    operator = await reconciled(cluster)
    assert {name.namespace for verb, kind, name in cluster.requests if (verb, kind) == ("list", DEVICES)} == {PLANT}
    assert len(operator.store.devices) == 1

    cluster.remove(SENSOR_GRAPHS, PLANT, "line")
    await operator.settle()
    before = len(cluster.requests)
    await operator.look()
    assert [verb for verb, kind, _ in cluster.requests[before:] if kind == DEVICES] == ["discover"]
    assert len(operator.store.devices) == 0


async def test_a_graph_that_comes_later_has_them_with_the_next_round(cluster: InMemoryCluster) -> None:
    cluster.remove(SENSOR_GRAPHS, PLANT, "line")
    cluster.put(a_device("p1"))
    operator = await reconciled(cluster)
    cluster.put(a_sensor_graph("late", "box-1", topology={"devices": {}}, reasoning=ENDPOINT))
    await operator.settle()
    assert accepted(cluster, "late") == ("False", "DevicesNotReadable")
    await operator.look()
    assert (accepted(cluster, "late"), known_at(cluster, graph="late")) == (("True", ""), ["p1"])


async def test_two_with_one_id_stop_no_site_that_ran(cluster: InMemoryCluster) -> None:
    topology = {"devices": {"idFromLabel": "tag"}}
    cluster.put(a_sensor_graph("line", topology=topology, reasoning=ENDPOINT, sites=BOTH))
    cluster.put(a_device("p1", tag="P-1"))
    operator = await reconciled(cluster)
    cluster.put(a_device("p2", tag="P-1"))
    await operator.look()
    assert (accepted(cluster), known_at(cluster)) == (("False", "InvalidTopology"), ["P-1"])
    cluster.put(a_device("p2", tag="P-2"))
    await operator.look()
    assert (accepted(cluster), known_at(cluster)) == (("True", ""), ["P-1", "P-2"])


async def test_a_restart_over_them_writes_nothing(cluster: InMemoryCluster) -> None:
    cluster.put(a_device("p1"))
    await reconciled(cluster)
    written = len(cluster.writes)
    await (await reconciled(cluster)).look()
    assert cluster.writes[written:] == []


async def test_an_operator_of_a_part_takes_the_devices_of_its_graphs(cluster: InMemoryCluster) -> None:
    """Devices bear no label of ours: whose they are follows from the graph that asks."""
    graph = a_sensor_graph("theirs", "box-1", topology={"devices": {}}, reasoning=ENDPOINT)
    graph["metadata"]["labels"] = {"edgeglm.io/shard": "b"}
    cluster.put(graph)
    cluster.put(a_device("p1"))
    operator: OperatorInMemory = await reconciled(cluster, Settings(shard=shard_of("edgeglm.io/shard=a")))
    assert operator.store.device_faults == {}
    assert not [verb for verb, kind, _ in cluster.requests if (verb, kind) == ("list", DEVICES)]
    await reconciled(cluster, Settings(shard=shard_of("edgeglm.io/shard=b")))
    assert known_at(cluster, graph="theirs") == ["p1"]
