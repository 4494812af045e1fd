"""After the operator has acted, Argo CD sees no difference between Git and the cluster.

Argo CD's Server-Side Diff is an apply as `argocd-controller` with force and dry run, compared with what is live
(docs/user-guide/diff-strategies.md there). The same is done here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.argocd.health import health_of
from tests.chart.kubectl import Kubectl
from tests.chart.operator_process import edge_node, is_observed, names, our_objects, running_operator
from tests.cluster.fixtures import AnyCluster

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
PLANT = ROOT / "examples" / "plant"
NAMESPACE = "plant"
MANAGER = "argocd-controller"
# What differs without anybody having changed anything, and what is not Git's to say.
NOT_COMPARED = ("managedFields", "resourceVersion", "generation")
CHILDREN = "deployments,services,configmaps"
MADE = {
    "deployment.apps/plant-llm",
    "deployment.apps/plant-llm-plants-edge-1",
    "deployment.apps/edge-1-agent",
    "service/plant-llm",
    "configmap/edge-1-bundle",
}

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def synced(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The plant as Argo CD syncs it: server-side, by force, with its tracking; and the plant's edge node."""
    kubectl.run("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))
    with edge_node(kubectl, "edge-1"):
        kubectl.apply(_in_git(), f"--field-manager={MANAGER}")
        yield kubectl
        kubectl.run("delete", "--ignore-not-found", "-f", str(PLANT), "--timeout=60s")


@pytest.fixture(scope="module")
def operator(cluster: AnyCluster, synced: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """The operator at work on the plant, until it has made everything and said so."""
    log = tmp_path_factory.mktemp("operator") / "log"
    flags = (f"--namespace={NAMESPACE}", f"--watch-namespace={NAMESPACE}")
    with running_operator(cluster.kubeconfig, log, *flags) as process:
        process.await_that(lambda: names(synced, CHILDREN, NAMESPACE) >= MADE)
        process.await_that(lambda: all(is_observed(each) for each in our_objects(synced, NAMESPACE)))
        yield synced


def test_argo_cd_sees_no_drift_after_the_operator_has_acted(operator: Kubectl) -> None:
    for wanted in _in_git():
        kind, metadata = wanted["kind"], wanted["metadata"]
        live = operator.get(kind, metadata["name"], metadata.get("namespace", ""))
        assert _compared(_as_git_would_have_it(operator, wanted)) == _compared(live), f"{kind} {metadata['name']}"


def test_the_operator_takes_nothing_from_argo_cd(operator: Kubectl) -> None:
    """No finalizer, no annotation, no field of a spec: only the status is the operator's."""
    for kind in ("infsvc", "sgraph", "esite"):
        [live] = json.loads(operator.run("get", kind, "-n", NAMESPACE, "-o", "json", "--show-managed-fields"))["items"]
        others = [each for each in live["metadata"]["managedFields"] if each["manager"] != MANAGER]
        assert [each.get("subresource") for each in others] == ["status"]
        assert "finalizers" not in live["metadata"]


def test_what_the_operator_writes_is_what_the_health_scripts_read(operator: Kubectl) -> None:
    """No kubelet stands behind these nodes, so everything is under way and nothing has failed."""
    for live in our_objects(operator, NAMESPACE):
        health = health_of(live["kind"], live)
        assert health.status == "Progressing", live["metadata"]["name"]
        assert "Waiting for the edgeglm operator" not in health.message


def test_a_child_never_carries_argo_cd_s_tracking(operator: Kubectl) -> None:
    """A child with its parent's tracking would be claimed by Argo CD, and pruned: Git does not have it."""
    children = json.loads(operator.run("get", CHILDREN, "-n", NAMESPACE, "-o", "json"))["items"]
    ours = [child for child in children if child["metadata"].get("ownerReferences")]
    assert {child["kind"] for child in ours} == {"Deployment", "Service", "ConfigMap"}
    for child in ours:
        metadata = child["metadata"]
        assert not [key for key in metadata.get("annotations", {}) if "argocd" in key]
        assert "app.kubernetes.io/instance" not in metadata["labels"]


def _in_git() -> list[Manifest]:
    """The example with what Argo CD adds to each object that it syncs."""
    texts = [path.read_text() for path in sorted(PLANT.glob("*.yaml"))]
    manifests = [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]
    for manifest in manifests:
        metadata = manifest["metadata"]
        group = manifest["apiVersion"].rpartition("/")[0]
        tracking = f"plant:{group}/{manifest['kind']}:{metadata.get('namespace', '')}/{metadata['name']}"
        metadata["annotations"] = {"argocd.argoproj.io/tracking-id": tracking}
        metadata.setdefault("labels", {})["app.kubernetes.io/instance"] = "plant"
    return manifests


def _as_git_would_have_it(kubectl: Kubectl, wanted: Manifest) -> Manifest:
    options = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--dry-run=server", "-o", "json")
    found: Manifest = json.loads(kubectl.run("apply", *options, "-f", "-", text=yaml.safe_dump(wanted)))
    return found


def _compared(manifest: Manifest) -> Manifest:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in NOT_COMPARED}
    return {**{key: value for key, value in manifest.items() if key != "status"}, "metadata": metadata}
