"""The operator through outages, storms, hand-overs and changes of what it stands on: nothing is lost, nothing twice."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from edgeglm_operator.reconcile.controller import WORKERS
from tests.chart.kubectl import Kubectl
from tests.chart.rendering import render
from tests.cluster.fixtures import AnyCluster
from tests.cluster.operator.chart import SYSTEM
from tests.cluster.operator.conftest import Launch, launching
from tests.cluster.operator.objects import Scene, eventually
from tests.cluster.operator.proxy import Answer, Request, pass_on
from tests.reconcile.builders import a_sensor_graph, an_edge_target, an_inference_service

pytestmark = pytest.mark.cluster

Manifest = dict[str, Any]

MANY = 20
SHARD = "edgeglm.io/shard"
CHILDREN = "deployments,services,configmaps,poddisruptionbudgets,esite"


@pytest.fixture
def scene(installed: Kubectl, namespace: str) -> Scene:
    return Scene(installed, namespace)


def test_an_outage_longer_than_a_lease_costs_a_delay_only(
    scene: Scene, launch: Launch, cluster: AnyCluster, edge_node: str
) -> None:
    """The leader ends, as it must; what starts meanwhile waits, alive and not ready, and removes nothing."""
    scene.apply(an_inference_service(cloud={"replicas": 1}, edge=[an_edge_target(edge_node)]))
    scene.apply(a_sensor_graph("line", edge_node))
    operator = launch()
    operator.start()
    assert eventually(lambda: len(scene.names("deployments")) == 3 and operator.is_quiet())
    before = identities(scene)

    cluster.stop_apiserver()
    try:
        assert operator.wait(60) == 1
        assert "is lost: it could not be renewed" in operator.log()
        operator.launch()
        assert eventually(lambda: "not everything can be listed yet" in operator.log(), 60)
        assert operator.answers("/livez")
        assert not operator.answers("/readyz")
    finally:
        cluster.start_apiserver()

    scene.run("delete", "service", "llm")
    assert eventually(lambda: scene.names("services") == ["llm"], 90)
    after = identities(scene)
    del before["Service llm"], after["Service llm"]
    assert after == before


def test_a_storm_of_429_is_sat_out(scene: Scene, launch: Launch) -> None:
    """Each request but the Lease's is refused; they come slower and slower, and all is made good afterwards."""
    scene.apply(an_inference_service(cloud={"replicas": 0}))
    operator = launch()
    operator.start()
    assert eventually(lambda: scene.names("services") == ["llm"] and operator.is_quiet())
    refused: list[Request] = []

    def storm(request: Request) -> Answer | None:
        if request.is_for_the_lease:
            return None
        refused.append(request)
        return Answer(429, (("Retry-After", "1"),))

    launch.proxy.before = storm
    scene.run("delete", "service", "llm")
    scene.run("scale", "infsvc/llm", "--replicas=2")
    assert eventually(lambda: operator.metric("edgeglm_reconcile_total", ['result="throttled"']) > 0, 60)
    launch.proxy.before = pass_on

    assert eventually(lambda: scene.names("services") == ["llm"], 90)
    assert eventually(lambda: replicas(scene) == 2, 90)
    assert len(refused) < 200


def test_a_watch_that_has_stalled_is_made_good_by_the_next_list(scene: Scene, launch: Launch) -> None:
    """The connections look alive and bring nothing; what they held comes late and does no harm."""
    scene.apply(an_inference_service(cloud={"replicas": 0}))
    operator = launch("--resync-seconds=5")
    operator.start()
    assert eventually(lambda: scene.names("services") == ["llm"] and operator.is_quiet())

    with launch.proxy.stalled_watches():
        scene.run("scale", "infsvc/llm", "--replicas=2")
        scene.apply(an_inference_service("late", cloud={"replicas": 0}))
        scene.run("delete", "service", "llm")
        assert eventually(lambda: replicas(scene) == 2, 90)
        assert eventually(lambda: scene.names("services") == ["late", "llm"], 90)
        assert operator.metric("edgeglm_resync_corrections_total") > 0
        scene.run("delete", "infsvc", "late")

    assert eventually(lambda: scene.names("deployments") == ["llm"], 90)
    assert eventually(operator.is_quiet)
    assert replicas(scene) == 2


def test_a_hand_over_under_load_loses_nothing_and_does_nothing_twice(scene: Scene, launch: Launch) -> None:
    first, second = launch(name="operator-0"), launch(name="operator-1")
    first.start()
    assert eventually(lambda: first.leads)
    second.start()

    scene.apply(*(an_inference_service(f"llm-{number}", cloud={"replicas": 0}) for number in range(MANY)))
    assert eventually(lambda: len(scene.names("deployments")) > MANY // 10)
    assert first.stop() == 0

    assert eventually(lambda: len(scene.names("services")) == MANY, 90)
    assert eventually(lambda: second.leads and second.is_quiet(), 90)
    found = {name: scene.get("deployment", name) or {} for name in scene.names("deployments")}
    assert len(found) == MANY
    assert {each["metadata"]["generation"] for each in found.values()} == {1}
    # One whose answer was lost on the way may be asked for again.
    ours = f"/namespaces/{scene.namespace}/deployments/"
    applied = [request for request in launch.proxy.writes if ours in request.path]
    assert len(applied) <= MANY + WORKERS


def test_crds_that_grow_under_it(scene: Scene, launch: Launch, newer_crd: Manifest) -> None:
    """A new field is passed over; a new word is refused where it stands, and what it had been goes on."""
    scene.apply(an_inference_service("old", cloud={"replicas": 0}), an_inference_service("bold", cloud={"replicas": 0}))
    operator = launch()
    operator.start()
    assert eventually(lambda: scene.names("services") == ["bold", "old"] and operator.is_quiet())
    before = identities(scene)

    scene.kubectl.apply([newer_crd])
    scene.apply(an_inference_service("new", cloud={"replicas": 0}, ofANewerRelease={"word": "x"}))
    scene.patch("infsvc", "bold", {"spec": {"cloud": {"rollout": {"strategy": "OfANewerRelease"}, "replicas": 5}}})

    assert eventually(lambda: scene.names("services") == ["bold", "new", "old"], 60)
    assert eventually(lambda: scene.condition("infsvc", "bold", "Accepted").get("reason") == "InvalidSpec", 60)
    assert "strategy" in scene.condition("infsvc", "bold", "Accepted")["message"]
    assert identities(scene).items() >= before.items()

    scene.patch("infsvc", "bold", {"spec": {"cloud": {"rollout": {"strategy": "Auto"}}}})
    assert eventually(lambda: replicas(scene, "bold") == 5, 60)
    assert scene.condition("infsvc", "bold", "Accepted")["status"] == "True"


def test_two_releases_share_a_cluster(scene: Scene, launch: Launch, launch_west: Launch) -> None:
    east = launch(f"--watch-label-selector={SHARD}=east")
    west = launch_west(f"--watch-label-selector=!{SHARD}", "--lease-name=west-edgeglm-operator", name="west-0")
    for operator in (east, west):
        operator.start()
    assert eventually(lambda: east.leads and west.leads)

    mine = an_inference_service("mine", cloud={"replicas": 0})
    mine["metadata"]["labels"] = {SHARD: "east"}
    scene.apply(mine, an_inference_service("rest", cloud={"replicas": 0}))
    assert eventually(lambda: scene.names("services") == ["mine", "rest"])
    assert eventually(lambda: east.is_quiet() and west.is_quiet())
    assert written(launch, scene) == {"mine"}
    assert written(launch_west, scene) == {"rest"}

    before = identities(scene)
    scene.run("label", "infsvc", "mine", f"{SHARD}-")
    assert eventually(lambda: west.metric("edgeglm_observed_inferenceservices") > 1, 60)
    assert eventually(lambda: east.is_quiet() and west.is_quiet())
    assert identities(scene) == before
    scene.run("delete", "service", "mine")
    assert eventually(lambda: "mine" in scene.names("services"))
    assert "mine" in written(launch_west, scene)
    assert launch.proxy.forbidden == [path for path in launch.proxy.forbidden if scene.namespace not in path]


def identities(scene: Scene) -> dict[str, tuple[str, int]]:
    """Each child: is it the same one, and does it still say the same?"""
    found: dict[str, tuple[str, int]] = {}
    for item in scene.items(CHILDREN):
        metadata = item["metadata"]
        if "edgeglm.io/intent-hash" in metadata.get("annotations", {}):
            found[f"{item['kind']} {metadata['name']}"] = (metadata["uid"], metadata.get("generation", 0))
    return found


def replicas(scene: Scene, name: str = "llm") -> int:
    deployment = scene.get("deployment", name) or {}
    asked: int = deployment["spec"]["replicas"]
    return asked


def written(launch: Launch, scene: Scene) -> set[str]:
    """The names of the Deployments and Services that an operator wrote. (Others may be on their way out.)"""
    paths = [request.path.partition("?")[0] for request in launch.proxy.writes if scene.namespace in request.path]
    return {path.rpartition("/")[2] for path in paths if "/deployments/" in path or "/services/" in path}


@pytest.fixture
def newer_crd(kubectl: Kubectl) -> Iterator[Manifest]:
    """The CRD of a release to come; ours is back afterwards."""
    crds = [each for each in render() if each["kind"] == "CustomResourceDefinition"]
    (ours,) = (each for each in crds if each["spec"]["names"]["kind"] == "InferenceService")
    newer = copy.deepcopy(ours)
    spec = newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["ofANewerRelease"] = {"type": "object", "properties": {"word": {"type": "string"}}}
    spec["cloud"]["properties"]["rollout"]["properties"]["strategy"]["enum"].append("OfANewerRelease")
    yield newer
    kubectl.apply([ours])


@pytest.fixture
def launch_west(cluster: AnyCluster, installed: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """As a second release of the chart, but for its own Deployment."""
    manifests = [each for each in render({"crds": {"install": False}}, release="west") if each["kind"] != "Deployment"]
    installed.apply(manifests)
    with launching(cluster, installed, tmp_path_factory.mktemp("west"), account="west-edgeglm") as ready:
        yield ready
    for each in manifests:
        namespaced = ("-n", SYSTEM) if "namespace" in each["metadata"] else ()
        installed.run("delete", each["kind"].lower(), each["metadata"]["name"], *namespaced, "--wait=false")
