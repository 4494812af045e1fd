"""What the operator does when it, its peers or the API server fail, and that it does nothing when nothing happens."""

import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from edgeglm_operator.resync import SELECTORS
from tests.chart.kubectl import Kubectl
from tests.chart.rendering import render
from tests.cluster.fixtures import AnyCluster
from tests.cluster.operator.conftest import Launch
from tests.cluster.operator.objects import Scene, eventually
from tests.cluster.operator.process import OperatorProcess
from tests.cluster.operator.proxy import Answer, Request
from tests.reconcile.builders import a_sensor_graph, an_edge_target, an_inference_service

pytestmark = pytest.mark.cluster

EXPIRY_SECONDS = 60
"""Far more than the duration of the Lease."""


@pytest.fixture
def scene(installed: Kubectl, namespace: str) -> Scene:
    return Scene(installed, namespace)


@pytest.fixture
def plant(scene: Scene, edge_node: str) -> Scene:
    """Every kind of parent and child, not yet looked after by anybody."""
    scene.apply(an_inference_service(cloud={"replicas": 1, "networkPolicy": {}}, edge=[an_edge_target(edge_node)]))
    scene.apply(a_sensor_graph("line", edge_node))
    return scene


def is_in_place(plant: Scene) -> bool:
    return (
        len(plant.names("deployments")) == 3
        and plant.names("services") == ["llm"]
        and bool(plant.condition("esite", plant.names("esite")[0], "BundleComplete"))
        and plant.condition("infsvc", "llm", "CloudReady").get("reason") == "Unschedulable"
        and bool(plant.condition("sgraph", "line", "Ready"))
    )


def test_a_steady_state_and_a_restart_write_nothing_but_the_lease(plant: Scene, launch: Launch, edge_node: str) -> None:
    """Counted by the proxy that all requests pass, Kopf's included."""
    # A pod that waits for a node is told another reason whenever a node comes or goes.
    plant.apply(an_inference_service(cloud={"replicas": 0, "networkPolicy": {}}, edge=[an_edge_target(edge_node)]))
    first = launch("--resync-seconds=8")
    first.start()
    assert eventually(lambda: plant.condition("infsvc", "llm", "CloudReady").get("reason") == "ScaledToZero")
    # Nobody runs the node: the control plane finds that out once, and its word is in the status.
    assert eventually(lambda: is_given_up(plant, edge_node), 90)
    assert eventually(lambda: "since" in plant.condition("esite", edge_node, "Connected").get("message", ""))
    assert eventually(first.is_quiet)
    before = plant.versions()
    launch.proxy.requests.clear()

    # Two full lists, after each of which everything is looked at again.
    lists = first.metric("edgeglm_resync_total") + 2 * len(SELECTORS)
    assert eventually(lambda: first.metric("edgeglm_resync_total") >= lists and first.is_quiet(), 120)
    assert first.stop() == 0
    second = launch()
    second.start()
    assert eventually(lambda: second.leads and second.is_quiet())

    assert launch.proxy.writes == []
    assert plant.versions() == before


def is_given_up(plant: Scene, node: str) -> bool:
    conditions = (plant.get("node", node) or {}).get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "Unknown" for each in conditions)


@pytest.mark.parametrize(("write", "moment"), [(1, "before"), (2, "after"), (4, "before"), (7, "after")])
def test_a_kill_in_mid_reconcile_is_made_good_by_the_next_start(
    plant: Scene, launch: Launch, write: int, moment: str
) -> None:
    """SIGKILL at the n-th write, before it reaches the server or before its answer reaches the operator."""
    victim = launch()
    setattr(launch.proxy, moment, KillAt(victim, write))
    victim.launch()
    victim.wait(60)

    setattr(launch.proxy, moment, lambda _request: None)
    launch().start()

    assert eventually(lambda: is_in_place(plant))


def test_an_api_server_that_restarts_is_found_again(plant: Scene, launch: Launch, cluster: AnyCluster) -> None:
    """If it is away for longer than a Lease can wait, the process ends, and the kubelet starts it again."""
    operator = launch()
    operator.start()
    assert eventually(lambda: is_in_place(plant))

    cluster.stop_apiserver()
    cluster.start_apiserver()
    plant.run("delete", "service", "llm")
    plant.run("scale", "infsvc/llm", "--replicas=2")

    def is_made_good() -> bool:
        if not operator.is_running:
            assert "is lost: it could not be renewed" in operator.log()
            operator.launch()
        deployment = plant.get("deployment", "llm") or {}
        return plant.names("services") == ["llm"] and bool(deployment["spec"]["replicas"] == 2)

    assert eventually(is_made_good, 120)


def test_of_two_operators_one_acts_and_the_other_takes_over_at_once_when_it_leaves(
    scene: Scene, launch: Launch
) -> None:
    first, second = launch(name="operator-0"), launch(name="operator-1")
    first.start()
    assert eventually(lambda: first.leads)
    second.start()
    scene.apply(an_inference_service())
    assert eventually(lambda: scene.names("services") == ["llm"])
    assert second.metric("edgeglm_reconcile_total") == 0
    assert second.metric("edgeglm_observed_inferenceservices") >= 1

    assert first.stop() == 0

    assert eventually(lambda: second.leads)
    scene.run("delete", "service", "llm")
    assert eventually(lambda: scene.names("services") == ["llm"])


def test_when_the_leader_is_killed_the_other_takes_over_once_its_lease_has_run_out(
    scene: Scene, launch: Launch
) -> None:
    first, second = launch(name="operator-0"), launch(name="operator-1")
    first.start()
    assert eventually(lambda: first.leads)
    second.start()

    first.kill()

    assert eventually(lambda: second.leads, EXPIRY_SECONDS)
    scene.apply(an_inference_service())
    assert eventually(lambda: scene.names("services") == ["llm"])


def test_a_leader_whose_lease_was_taken_stops_and_exits(scene: Scene, launch: Launch) -> None:
    operator = launch()
    operator.start()
    assert eventually(lambda: operator.leads)

    patch = '{"spec": {"holderIdentity": "somebody-else"}}'
    command = ("-n", "edgeglm-system", "patch", "lease", "edgeglm-operator", "--type=merge", "-p")

    assert eventually(lambda: scene.kubectl.run(*command, patch) and not operator.is_running)
    assert operator.wait(10) == 1
    assert "is lost" in operator.log()
    scene.kubectl.run(*command, '{"spec": {"holderIdentity": ""}}')


def test_requests_that_the_server_throttles_are_made_later(plant: Scene, launch: Launch) -> None:
    """Every second write is refused with 429 for a while."""
    numbers = iter(range(20))

    def throttle(request: Request) -> Answer | None:
        if request.is_write and not request.is_for_the_lease and next(numbers, 1) % 2 == 0:
            return Answer(429, (("Retry-After", "1"),))
        return None

    launch.proxy.before = throttle
    launch().start()

    assert eventually(lambda: is_in_place(plant), 90)


def test_a_server_that_fails_for_a_while_costs_a_delay_only(plant: Scene, launch: Launch) -> None:
    numbers = iter(range(8))

    def fail(request: Request) -> Answer | None:
        is_one = not request.is_for_the_lease and "/api" in request.path
        return Answer(500) if is_one and next(numbers, None) is not None else None

    launch.proxy.before = fail
    launch().start()

    assert eventually(lambda: is_in_place(plant), 90)


def test_without_the_right_to_read_nodes_all_but_the_edge_works_and_says_so(
    plant: Scene, launch: Launch, no_node_reading: None
) -> None:
    launch().start()

    assert eventually(lambda: plant.condition("infsvc", "llm", "EdgeReady").get("reason") == "NodesNotReadable")
    assert plant.condition("sgraph", "line", "Ready")["reason"] == "NodesNotReadable"
    assert eventually(lambda: plant.condition("infsvc", "llm", "CloudReady").get("reason") == "Unschedulable")
    assert plant.names("deployments") == ["llm"]


def test_losing_the_right_to_read_nodes_removes_nothing(plant: Scene, launch: Launch, kubectl: Kubectl) -> None:
    first = launch()
    first.start()
    assert eventually(lambda: is_in_place(plant))
    before = sorted(plant.names("deployments,esite"))
    assert first.stop() == 0

    with without_node_reading(kubectl):
        launch().start()
        assert eventually(lambda: plant.condition("infsvc", "llm", "EdgeReady").get("reason") == "NodesNotReadable")
        plant.run("scale", "infsvc/llm", "--replicas=2")
        assert eventually(lambda: (plant.get("deployment", "llm") or {})["spec"]["replicas"] == 2)

        assert sorted(plant.names("deployments,esite")) == before


def test_the_chart_grants_what_is_needed(plant: Scene, launch: Launch) -> None:
    """A whole life of each kind, and nothing was forbidden. (Namespaces of earlier tests may be on their way out.)"""
    launch().start()
    assert eventually(lambda: is_in_place(plant))
    plant.run("delete", "sgraph,infsvc", "--all")
    assert eventually(lambda: not plant.names("esite,deployments,services"), 90)

    elsewhere = [path for path in launch.proxy.forbidden if "/namespaces/" in path and plant.namespace not in path]
    assert launch.proxy.forbidden == elsewhere


def test_the_watch_asks_for_what_is_ours_only(launch: Launch) -> None:
    """A selector in a spelling that Kopf does not know is ignored without a word, so it is looked for on the wire."""
    operator = launch()
    operator.start()

    def asked(plural: str) -> set[str]:
        urls = [urlsplit(request.path) for request in launch.proxy.requests]
        queries = [parse_qs(url.query) for url in urls if url.path.endswith(f"/{plural}")]
        return {query.get("labelSelector", [""])[0] for query in queries if "watch" in query}

    assert eventually(lambda: all(asked(kind.plural) for kind in SELECTORS))
    assert {kind.plural: asked(kind.plural) for kind in SELECTORS} == {
        kind.plural: {selector} for kind, selector in SELECTORS.items()
    }


def test_one_namespace_can_be_served_with_rights_in_it_alone(
    plant: Scene, launch: Launch, kubectl: Kubectl, namespaced_rights: None
) -> None:
    """The chart's `watchNamespaces`, with the right to read nodes."""
    operator = launch("--watch-namespace", plant.namespace)
    operator.start()

    assert eventually(lambda: is_in_place(plant))
    assert all(f"/namespaces/{plant.namespace}" in path for path in launch.proxy.forbidden)
    plant.run("delete", "service", "llm")
    assert eventually(lambda: plant.names("services") == ["llm"])


def test_without_its_kinds_it_waits_and_goes_on_once_they_are_there(plant: Scene, launch: Launch) -> None:
    """GitOps tools may bring the operator before its CRDs."""
    crds = [manifest for manifest in render() if manifest["kind"] == "CustomResourceDefinition"]
    names = [f"crd/{each['metadata']['name']}" for each in crds]
    plant.kubectl.run("delete", *names, "--timeout=60s")
    operator = launch()
    operator.launch()
    assert eventually(lambda: "not everything can be listed yet" in operator.log())
    assert operator.answers("/livez")
    assert not operator.answers("/readyz")

    plant.kubectl.apply(crds)
    plant.kubectl.run("wait", "--for=condition=Established", "--timeout=30s", *names)
    plant.apply(an_inference_service())

    assert eventually(lambda: plant.names("services") == ["llm"], 60)
    assert operator.answers("/readyz")


def test_the_operator_stops_in_good_order(launch: Launch) -> None:
    operator = launch()
    operator.start()
    assert eventually(lambda: operator.leads)

    assert operator.stop() == 0
    assert '"level": "error"' not in operator.log()


class KillAt:
    """A rule of the proxy: the operator dies at its n-th write."""

    def __init__(self, victim: OperatorProcess, number: int) -> None:
        self._victim = victim
        self._left = number
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer | None:
        if not request.is_write or request.is_for_the_lease:
            return None
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._victim.process.kill()
        return Answer(503) if self._left <= 0 else None


@pytest.fixture
def no_node_reading(kubectl: Kubectl) -> Iterator[None]:
    with without_node_reading(kubectl):
        yield


@pytest.fixture
def namespaced_rights(kubectl: Kubectl, namespace: str) -> Iterator[None]:
    """Those that the chart grants with `watchNamespaces`, in place of those for the whole cluster."""
    bound = [each for each in render({"watchNamespaces": [namespace]}) if each["kind"] == "RoleBinding"]
    kubectl.run("delete", "clusterrolebinding", "edgeglm-operator")
    kubectl.apply(bound)
    yield
    kubectl.apply([each for each in render() if each["kind"] == "ClusterRoleBinding"])


class without_node_reading:  # noqa: N801 - reads as a word of the test
    """The chart's `rbac.nodes: false`, for a while."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl

    def __enter__(self) -> None:
        self._kubectl.run("delete", "clusterrolebinding", "edgeglm-nodes")

    def __exit__(self, *_: object) -> None:
        bindings = [
            each
            for each in render()
            if each["kind"] == "ClusterRoleBinding" and each["metadata"]["name"] == "edgeglm-nodes"
        ]
        self._kubectl.apply(bindings)
