"""The chart on a cluster, but for the operator's own Deployment: a process of the test stands for its pod."""

from tests.chart.kubectl import Kubectl
from tests.chart.rendering import render

SYSTEM = "edgeglm-system"


def install_without_operator(kubectl: Kubectl) -> None:
    """CRDs, rights and policies; returns once the API server serves our kinds."""
    manifests = [manifest for manifest in render() if manifest["kind"] != "Deployment"]
    kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}, *manifests])
    crds = [f"crd/{each['metadata']['name']}" for each in manifests if each["kind"] == "CustomResourceDefinition"]
    kubectl.run("wait", "--for=condition=Established", "--timeout=60s", *crds)
