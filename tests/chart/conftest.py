"""The chart on a real API server."""

import secrets
import time
from collections.abc import Iterator

import pytest
import yaml

from tests.chart.kubectl import Kubectl, Refused
from tests.chart.rendering import Manifest, of_kind, render
from tests.cluster.fixtures import AnyCluster
from tests.cluster.process import until

NAMESPACE = "edgeglm-system"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:edgeglm"
# New ones for each run: those of the last may still be on their way out of somebody's own cluster.
EDGE_NAMESPACE = f"chart-edge-{secrets.token_hex(3)}"
PLAIN_NAMESPACE = f"chart-plain-{secrets.token_hex(3)}"
_ACTIVE_WITHIN_SECONDS = 30
_NAMESPACES_END_SECONDS = 300


@pytest.fixture(scope="session")
def kubectl(cluster: AnyCluster) -> Kubectl:
    """As the administrator of the cluster."""
    return Kubectl(cluster.kubeconfig)


@pytest.fixture(scope="module")
def installed(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The chart with its default values, applied as `helm template | kubectl apply --server-side` would."""
    # An operator sees all namespaces, and is refused in those of earlier tests that are on their way out.
    assert until(lambda: "Terminating" not in kubectl.run("get", "namespaces"), _NAMESPACES_END_SECONDS)
    manifests = render()
    kubectl.apply([_namespace(NAMESPACE, {"pod-security.kubernetes.io/enforce": "restricted"}), *manifests])
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", *_crds(manifests))
    yield kubectl
    # The CRDs stay, as after `helm uninstall`: other tests have objects of these kinds.
    ours = [manifest for manifest in manifests if manifest["kind"] != "CustomResourceDefinition"]
    kubectl.run("delete", "--ignore-not-found", "--wait=false", "-f", "-", text=yaml.safe_dump_all(ours))


@pytest.fixture(scope="module")
def guarded(installed: Kubectl) -> Iterator[Kubectl]:
    """An opened and an ordinary namespace, with the admission policies in force."""
    opened = {"edgeglm.io/edge": "allowed", "pod-security.kubernetes.io/enforce": "privileged"}
    namespaces = [_namespace(EDGE_NAMESPACE, opened), _namespace(PLAIN_NAMESPACE, {})]
    installed.apply(namespaces)
    _await_the_policies(installed)
    yield installed
    for namespace in namespaces:
        installed.run("delete", "namespace", namespace["metadata"]["name"], "--wait=false")


def _await_the_policies(kubectl: Kubectl) -> None:
    """The API server takes a moment to compile a policy that it has just accepted."""
    spec = {"hostPID": True, "containers": [{"name": "c", "image": "i"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": EDGE_NAMESPACE}, "spec": spec}
    deadline = time.monotonic() + _ACTIVE_WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            kubectl.apply([pod], "--dry-run=server")
        except Refused as refused:
            if "ValidatingAdmissionPolicy" in str(refused):
                return
        time.sleep(0.2)
    pytest.fail(f"the admission policies were not in force after {_ACTIVE_WITHIN_SECONDS} s")


def _namespace(name: str, labels: dict[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _crds(manifests: list[Manifest]) -> list[str]:
    return [f"crd/{each['metadata']['name']}" for each in of_kind(manifests, "CustomResourceDefinition")]
