"""The operator with the rights that the chart grants it, and with no others, under the chart's admission policies."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart.conftest import EDGE_NAMESPACE, NAMESPACE, PLAIN_NAMESPACE
from tests.chart.kubectl import Kubectl, Manifest, Right
from tests.chart.operator_process import OperatorProcess, edge_node, is_observed, names, our_objects, running_operator
from tests.chart.rendering import ROOT, render

pytestmark = pytest.mark.cluster

CHILDREN = "deployments,services,configmaps,poddisruptionbudgets,networkpolicies"
RIGHTS = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
ANY_RIGHT = Right("list", "services")


@pytest.fixture(scope="module")
def node(guarded: Kubectl) -> Iterator[str]:
    """An edge node."""
    with edge_node(guarded, "chart-edge-1"):
        yield "chart-edge-1"


@pytest.fixture(scope="module")
def account(guarded: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig with the token of the chart's service account."""
    return guarded.kubeconfig_of("edgeglm", NAMESPACE, tmp_path_factory.mktemp("account"))


@pytest.fixture
def operator(account: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    """The operator, as the chart's Deployment starts it."""
    with running_operator(account, tmp_path / "operator.log", f"--namespace={NAMESPACE}") as process:
        yield process


def test_the_operator_needs_no_other_right(operator: OperatorProcess, guarded: Kubectl, node: str) -> None:
    """Make, change and remove the children of every kind, a site of the operator's own among them."""
    guarded.apply(the_plant(EDGE_NAMESPACE, node))
    made = {
        "deployment.apps/plant-llm",
        "deployment.apps/plant-llm-plants-chart-edge-1",
        "deployment.apps/chart-edge-1-agent",
        "service/plant-llm",
        "configmap/chart-edge-1-bundle",
    }
    operator.await_that(lambda: made <= names(guarded, CHILDREN, EDGE_NAMESPACE))
    # Their pods are let in as well, by the policy that judges pods whoever makes them.
    operator.await_that(lambda: len(names(guarded, "pods", EDGE_NAMESPACE)) == 3)
    for replicas, budgets in ((2, {"poddisruptionbudget.policy/plant-llm"}), (1, set[str]())):
        guarded.run("scale", "infsvc/plant-llm", "-n", EDGE_NAMESPACE, f"--replicas={replicas}")
        _await_names(operator, guarded, "poddisruptionbudgets", budgets)
    for policy, policies in (("{}", {"networkpolicy.networking.k8s.io/plant-llm"}), ("null", set[str]())):
        patch = f'{{"spec":{{"cloud":{{"networkPolicy":{policy}}}}}}}'
        guarded.run("patch", "infsvc", "plant-llm", "-n", EDGE_NAMESPACE, "--type=merge", "-p", patch)
        _await_names(operator, guarded, "networkpolicies", policies)
    guarded.run("patch", "infsvc", "plant-llm", "-n", EDGE_NAMESPACE, "--type=merge", "-p", '{"spec":{"edge":[]}}')
    operator.await_that(
        lambda: "deployment.apps/plant-llm-plants-chart-edge-1" not in names(guarded, CHILDREN, EDGE_NAMESPACE)
    )
    guarded.run("delete", "sgraph", "line-1", "-n", EDGE_NAMESPACE)
    operator.await_that(lambda: not names(guarded, "edgesites", EDGE_NAMESPACE))
    operator.await_that(lambda: all(is_observed(each) for each in our_objects(guarded, EDGE_NAMESPACE)))
    assert operator.refusals() == []
    guarded.run("delete", "infsvc", "plant-llm", "-n", EDGE_NAMESPACE)


def test_an_edge_target_in_a_namespace_that_is_not_open_says_so(
    operator: OperatorProcess, guarded: Kubectl, node: str
) -> None:
    """The policy speaks to whoever wrote the InferenceService, and the cloud part goes on."""
    guarded.apply(the_plant(PLAIN_NAMESPACE, node))
    operator.await_that(lambda: _condition(guarded, "infsvc", "plant-llm", "Ready").get("status") == "False")
    ready = _condition(guarded, "infsvc", "plant-llm", "Ready")
    assert f"namespace {PLAIN_NAMESPACE} is not open to edge pods" in ready["message"]
    assert "edgeglm.io/edge=allowed" in ready["message"]
    assert names(guarded, "deployments", PLAIN_NAMESPACE) == {"deployment.apps/plant-llm"}
    guarded.run("delete", "infsvc,sgraph", "--all", "-n", PLAIN_NAMESPACE)


def test_without_the_right_to_read_nodes_the_cloud_part_works_and_the_edge_says_why_until_it_comes(
    guarded: Kubectl, account: Path, node: str, tmp_path: Path
) -> None:
    binding = json.loads(guarded.run("get", "clusterrolebinding", "edgeglm-nodes", "-o", "json"))
    guarded.run("delete", "clusterrolebinding", "edgeglm-nodes")
    try:
        flags = (f"--namespace={NAMESPACE}", "--discovery-seconds=1")
        with running_operator(account, tmp_path / "operator.log", *flags) as operator:
            guarded.apply(the_plant(PLAIN_NAMESPACE, node))
            operator.await_that(
                lambda: _condition(guarded, "infsvc", "plant-llm", "EdgeReady").get("reason") == "NodesNotReadable"
            )
            operator.await_that(lambda: "service/plant-llm" in names(guarded, CHILDREN, PLAIN_NAMESPACE))

            grant_again(guarded, binding)
            operator.await_that(lambda: names(guarded, "esite", PLAIN_NAMESPACE) == {f"edgesite.edgeglm.io/{node}"})
            operator.await_that(
                lambda: _condition(guarded, "infsvc", "plant-llm", "EdgeReady").get("reason") != "NodesNotReadable"
            )
    finally:
        grant_again(guarded, binding)


def grant_again(kubectl: Kubectl, binding: Manifest) -> None:
    """A binding as it was before it was deleted; once more does no harm."""
    metadata = {field: binding["metadata"][field] for field in ("name", "labels")}
    kubectl.apply([binding | {"metadata": metadata}])


@pytest.fixture
def narrow(guarded: Kubectl, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of the service account of a release that watches one namespace."""
    values = {"watchNamespaces": [EDGE_NAMESPACE]}
    rights = [manifest for manifest in render(values, release="narrow") if manifest["kind"] in RIGHTS]
    guarded.apply(rights)
    yield guarded.kubeconfig_of("narrow-edgeglm", NAMESPACE, tmp_path)
    guarded.run("delete", "-f", "-", text=yaml.safe_dump_all(rights))


def test_an_operator_of_one_namespace_needs_no_right_elsewhere(
    narrow: Path, guarded: Kubectl, node: str, tmp_path: Path
) -> None:
    """With watchNamespaces, all but the reading of nodes is bound in these namespaces."""
    elsewhere = guarded.rights(f"system:serviceaccount:{NAMESPACE}:narrow-edgeglm", [ANY_RIGHT], PLAIN_NAMESPACE)
    assert elsewhere == {ANY_RIGHT: False}
    lease = "--lease-name=narrow-edgeglm-operator"
    flags = (f"--namespace={NAMESPACE}", f"--watch-namespace={EDGE_NAMESPACE}", lease)
    with running_operator(narrow, tmp_path / "operator.log", *flags) as operator:
        guarded.apply(the_plant(EDGE_NAMESPACE, node))
        operator.await_that(lambda: len(names(guarded, "deployments", EDGE_NAMESPACE)) == 3)
        guarded.run("delete", "infsvc,sgraph", "--all", "-n", EDGE_NAMESPACE)
        operator.await_that(lambda: not names(guarded, "edgesites", EDGE_NAMESPACE))
        assert operator.refusals() == []


def the_plant(namespace: str, node: str) -> list[Manifest]:
    """The model and the graph of examples/plant, in a namespace and at a node of the test's; the site is left to us."""
    paths = [ROOT / "examples" / "plant" / name for name in ("20-inference-service.yaml", "40-sensor-graph.yaml")]
    service, graph = (yaml.safe_load(path.read_text()) for path in paths)
    service["spec"]["edge"][0]["sites"] = graph["spec"]["sites"] = {"nodeNames": [node]}
    graph["spec"]["broker"]["url"] = "mqtt://127.0.0.1:1883"
    for manifest in (service, graph):
        manifest["metadata"]["namespace"] = namespace
    return [service, graph]


def _await_names(operator: OperatorProcess, kubectl: Kubectl, kinds: str, wanted: set[str]) -> None:
    operator.await_that(lambda: names(kubectl, kinds, EDGE_NAMESPACE) == wanted)


def _condition(kubectl: Kubectl, kind: str, name: str, wanted: str) -> Manifest:
    conditions = kubectl.get(kind, name, PLAIN_NAMESPACE).get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == wanted), {})
