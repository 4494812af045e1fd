"""What happens at the edge: sites, bundles, agents."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edgeglm_api import bundle as bundles
from edgeglm_api import labels
from edgeglm_operator.resources.names import agent_name, bundle_name
from tests.chart.kubectl import Kubectl
from tests.cluster.operator.objects import Scene, eventually
from tests.cluster.operator.process import OperatorProcess
from tests.reconcile.builders import a_sensor_graph, an_edge_site, an_edge_target, an_inference_service

pytestmark = pytest.mark.cluster

COLLECTED_SECONDS = 180
"""Kubernetes' garbage collector looks for kinds that are new to it every 30 s, and then lists them."""


@pytest.fixture
def scene(installed: Kubectl, namespace: str, shared_operator: OperatorProcess) -> Scene:
    """A namespace that an operator looks after."""
    assert shared_operator.is_running, shared_operator.log()
    return Scene(installed, namespace)


@pytest.fixture
def plant(scene: Scene, edge_node: str) -> Scene:
    """A service and a graph at one site, in place."""
    scene.apply(an_inference_service(edge=[an_edge_target(edge_node)]), a_sensor_graph("line", edge_node))
    assert eventually(lambda: bundle(scene, edge_node) and scene.get("deployment", agent_name(edge_node)))
    assert eventually(lambda: status_of_bundle(scene, edge_node).get("generation") == 1)
    return scene


def test_a_graph_becomes_a_site_with_a_bundle_and_an_agent(plant: Scene, edge_node: str) -> None:
    site = plant.get("esite", edge_node) or {}
    read = bundle(plant, edge_node)

    assert site["spec"]["nodeName"] == edge_node
    assert read is not None
    assert [graph.name for graph in read.graphs] == ["line"]
    assert [endpoint.url for endpoint in read.endpoints] == ["http://127.0.0.1:8000/v1"]
    assert read.site_uid == site["metadata"]["uid"]
    assert status_of_bundle(plant, edge_node)["sha256"] == bundles.digest(read)


def test_whatever_selects_a_site_owns_it_without_controlling_or_blocking(plant: Scene, edge_node: str) -> None:
    owners = (plant.get("esite", edge_node) or {})["metadata"]["ownerReferences"]

    assert {owner["kind"] for owner in owners} == {"InferenceService", "SensorGraph"}
    assert not any(owner.get("controller") or owner.get("blockOwnerDeletion") for owner in owners)


def test_a_site_lives_until_nothing_selects_its_node(plant: Scene, edge_node: str) -> None:
    plant.run("delete", "sgraph", "line")
    assert eventually(lambda: not plant.get("deployment", agent_name(edge_node)))
    assert plant.get("esite", edge_node)

    plant.run("delete", "infsvc", "llm")
    assert eventually(lambda: not plant.names("esite,configmaps,deployments")[1:], COLLECTED_SECONDS)
    assert plant.names("esite") == []


def test_a_graph_that_moves_away_takes_its_site_along(scene: Scene, edge_node: str) -> None:
    """The graph still exists, so no garbage collector does it."""
    scene.apply(a_sensor_graph("line", edge_node, reasoning={"endpoint": AN_ENDPOINT}))
    assert eventually(lambda: scene.get("deployment", agent_name(edge_node)))

    scene.patch("sgraph", "line", {"spec": {"sites": {"nodeNames": ["another-node"]}}})

    assert eventually(lambda: not scene.names("esite") and not scene.names("deployments"))
    assert eventually(lambda: scene.condition("sgraph", "line", "Ready")["reason"] == "NoSites")


def test_a_site_that_a_user_made_stands_for_its_node_and_stays(scene: Scene, edge_node: str) -> None:
    """Found by its node, not by its name; its parameters fill the graph; nobody deletes it."""
    scene.apply(an_edge_site("north", edge_node, parameters={"broker": "10.0.0.1"}))
    asked: dict[str, Any] = {"broker": {"url": "mqtt://${site.broker}"}, "reasoning": {"endpoint": AN_ENDPOINT}}
    scene.apply(a_sensor_graph("line", edge_node, **asked))
    assert eventually(lambda: bundle(scene, "north"))
    read = bundle(scene, "north")

    assert scene.names("esite") == ["north"]
    assert read is not None
    assert read.graphs[0].broker.url == "mqtt://10.0.0.1"

    scene.run("delete", "sgraph", "line")
    assert eventually(lambda: not scene.get("deployment", agent_name("north")))
    assert scene.names("esite") == ["north"]


def test_a_user_s_site_takes_over_from_the_operator_s(scene: Scene, edge_node: str) -> None:
    scene.apply(a_sensor_graph("line", edge_node, reasoning={"endpoint": AN_ENDPOINT}))
    assert eventually(lambda: scene.get("deployment", agent_name(edge_node)))

    scene.apply(an_edge_site("north", edge_node))

    assert eventually(lambda: scene.names("esite") == ["north"])
    assert eventually(lambda: scene.names("deployments") == [agent_name("north")])


def test_the_operator_s_site_outlives_its_graphs_once_a_user_gives_it_settings(scene: Scene, edge_node: str) -> None:
    scene.apply(a_sensor_graph("line", edge_node, reasoning={"endpoint": AN_ENDPOINT}))
    assert eventually(lambda: scene.get("deployment", agent_name(edge_node)))

    scene.apply(an_edge_site(edge_node, edge_node, parameters={"broker": "10.0.0.1:1883"}))
    assert eventually(lambda: not is_owned(scene, edge_node))
    scene.run("delete", "sgraph", "line")

    assert eventually(lambda: not scene.get("deployment", agent_name(edge_node)))
    assert (scene.get("esite", edge_node) or {})["spec"]["parameters"] == {"broker": "10.0.0.1:1883"}


def is_owned(scene: Scene, site: str) -> bool:
    """Whether anything of the operator's making is left in its metadata."""
    metadata = (scene.get("esite", site) or {})["metadata"]
    return any(metadata.get(field) for field in ("labels", "annotations", "ownerReferences"))


def test_a_changed_graph_counts_the_bundle_up_in_place(plant: Scene, edge_node: str) -> None:
    """KubeEdge loses a ConfigMap that is made anew, so it must be the same object."""
    uid = (plant.get("configmap", bundle_name(edge_node)) or {})["metadata"]["uid"]

    plant.patch("sgraph", "line", {"spec": {"window": {"sizeSeconds": 30}}})

    assert eventually(lambda: generation(plant, edge_node) == 2)
    assert eventually(lambda: status_of_bundle(plant, edge_node).get("generation") == 2)
    assert (plant.get("configmap", bundle_name(edge_node)) or {})["metadata"]["uid"] == uid


def test_a_bundle_deleted_by_hand_comes_back_with_its_generation(plant: Scene, edge_node: str) -> None:
    plant.patch("sgraph", "line", {"spec": {"window": {"sizeSeconds": 30}}})
    assert eventually(lambda: status_of_bundle(plant, edge_node).get("generation") == 2)
    before = (plant.get("configmap", bundle_name(edge_node)) or {})["data"]

    plant.run("delete", "configmap", bundle_name(edge_node))

    assert eventually(lambda: generation(plant, edge_node) == 2)
    assert (plant.get("configmap", bundle_name(edge_node)) or {})["data"] == before


def test_a_bundle_edited_by_hand_comes_back_as_a_new_generation_at_most(plant: Scene, edge_node: str) -> None:
    before = (plant.get("configmap", bundle_name(edge_node)) or {})["data"]

    plant.patch("configmap", bundle_name(edge_node), {"data": {bundles.BUNDLE_FILE: "{}"}})

    assert eventually(lambda: (plant.get("configmap", bundle_name(edge_node)) or {})["data"] == before)
    assert generation(plant, edge_node) == 1


def test_a_graph_that_cannot_be_compiled_is_left_out_and_says_so(plant: Scene, edge_node: str) -> None:
    plant.apply(a_sensor_graph("broken", edge_node, service="missing"))

    assert eventually(
        lambda: plant.condition("sgraph", "broken", "Accepted").get("reason") == "InferenceServiceNotFound"
    )
    assert generation(plant, edge_node) == 1

    plant.apply(a_sensor_graph("broken", edge_node))
    assert eventually(lambda: plant.condition("sgraph", "broken", "Accepted").get("status") == "True")
    assert eventually(lambda: generation(plant, edge_node) == 2)


def test_a_topology_of_a_config_map_is_in_the_bundle_once_it_bears_the_label(plant: Scene, edge_node: str) -> None:
    """On a real API server, which lists by that label; it is looked for twice a minute."""
    ref = {"configMapRef": {"name": "drawn", "key": "line.json"}}
    plant.apply(a_sensor_graph("line", edge_node, topology=ref))
    plant.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "drawn", "labels": {"edgeglm.io/topology": ""}},
            "data": {"line.json": json.dumps({"nodes": [{"id": "m1", "type": "Machine"}]})},
        }
    )

    assert eventually(lambda: known_at(plant, edge_node) == ["m1"], 180)
    assert eventually(lambda: plant.condition("sgraph", "line", "Accepted").get("status") == "True", 180)


def test_the_younger_of_two_services_is_refused_a_port_at_that_site_only(scene: Scene, edge_node: str) -> None:
    scene.apply(an_inference_service("older", edge=[an_edge_target(edge_node)]))
    assert eventually(lambda: len(scene.names("deployments")) == 1)
    # Kubernetes writes times in whole seconds; within one the UID decides, which is chance.
    made = (scene.get("infsvc", "older") or {})["metadata"]["creationTimestamp"]
    assert eventually(lambda: datetime.now(UTC) >= datetime.fromisoformat(made) + timedelta(seconds=1))

    scene.apply(an_inference_service("younger", cloud={}, edge=[an_edge_target(edge_node)]))

    assert eventually(lambda: scene.condition("infsvc", "younger", "EdgeReady").get("reason") == "HostPortConflict")
    assert eventually(lambda: "younger" in scene.names("deployments"))
    assert len(scene.names("deployments")) == 2

    scene.run("delete", "infsvc", "older")
    assert eventually(lambda: scene.condition("infsvc", "younger", "EdgeReady").get("reason") != "HostPortConflict")
    assert eventually(lambda: len(scene.names("deployments")) == 2)


def test_a_node_that_joins_later_becomes_a_site(scene: Scene, edge_node: str, installed: Kubectl) -> None:
    scene.apply(an_inference_service(edge=[{"name": "hall", "sites": {"nodeSelector": {"hall": scene.namespace}}}]))
    assert eventually(lambda: scene.condition("infsvc", "llm", "EdgeReady").get("reason") == "NoSites")

    installed.run("label", "node", edge_node, f"hall={scene.namespace}")
    assert eventually(lambda: scene.names("esite") == [edge_node] and len(scene.names("deployments")) == 1)

    installed.run("label", "node", edge_node, "hall-")
    assert eventually(lambda: not scene.names("esite") and not scene.names("deployments"))


def test_a_namespace_that_is_not_open_to_edge_pods_is_told_so(scene: Scene, edge_node: str, installed: Kubectl) -> None:
    """The chart's admission policy refuses the Deployment; its words are in the status, the cloud part goes on."""
    installed.run("label", "namespace", scene.namespace, "edgeglm.io/edge-")
    scene.apply(an_inference_service(cloud={}, edge=[an_edge_target(edge_node)]))

    assert eventually(lambda: "edgeglm.io/edge=allowed" in edge_ready(scene).get("message", ""))
    assert edge_ready(scene)["reason"] == "RefusedByServer"
    assert edge_ready(scene)["status"] == "False"
    assert scene.names("deployments") == ["llm"]


def test_a_suspended_graph_leaves_its_site_s_bundle_and_comes_back(plant: Scene, edge_node: str) -> None:
    plant.patch("sgraph", "line", {"spec": {"suspend": True}})
    assert eventually(lambda: generation(plant, edge_node) == 2)
    read = bundle(plant, edge_node)
    assert read is not None
    assert read.graphs == ()
    assert plant.get("deployment", agent_name(edge_node)) is not None

    plant.patch("sgraph", "line", {"spec": {"suspend": False}})
    assert eventually(lambda: generation(plant, edge_node) == 3)


def test_suspended_engines_and_agents_stand_at_zero(plant: Scene, edge_node: str) -> None:
    for kind, name in (("infsvc", "llm"), ("esite", edge_node)):
        plant.patch(kind, name, {"spec": {"suspend": True}})
    assert eventually(lambda: replicas(plant) == [0, 0])

    for kind, name in (("infsvc", "llm"), ("esite", edge_node)):
        plant.patch(kind, name, {"spec": {"suspend": None}})
    assert eventually(lambda: replicas(plant) == [1, 1])


def replicas(scene: Scene) -> list[int]:
    return [(scene.get("deployment", name) or {})["spec"]["replicas"] for name in scene.names("deployments")]


def edge_ready(scene: Scene) -> dict[str, Any]:
    return scene.condition("infsvc", "llm", "EdgeReady")


AN_ENDPOINT = {"url": "http://127.0.0.1:8000/v1", "model": "m"}


def bundle(scene: Scene, site: str) -> bundles.Bundle | None:
    found = scene.get("configmap", bundle_name(site))
    return bundles.decode(found["data"][bundles.BUNDLE_FILE].encode()) if found else None


def known_at(scene: Scene, site: str) -> list[str]:
    """The entities that the graphs of a site know beforehand."""
    found = bundle(scene, site)
    return [node.id for graph in found.graphs for node in graph.topology.nodes] if found else []


def generation(scene: Scene, site: str) -> int:
    """By the annotation, which must agree with the bundle."""
    found = scene.get("configmap", bundle_name(site))
    if found is None:
        return 0
    counted = int(found["metadata"]["annotations"][labels.BUNDLE_GENERATION])
    assert json.loads(found["data"][bundles.BUNDLE_FILE])["generation"] == counted
    return counted


def status_of_bundle(scene: Scene, site: str) -> dict[str, Any]:
    found: dict[str, Any] = (scene.get("esite", site) or {}).get("status", {}).get("bundle", {})
    return found
