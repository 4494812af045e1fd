"""The chart as Helm renders it, in the order in which Helm would install it."""

import copy
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import Chart, disable_logging

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "edgeglm"
VALUE_SETS = sorted((CHART / "ci").glob("*-values.yaml"))

Manifest = dict[str, Any]

RECEIVER: dict[str, Any] = {
    "receiver": {
        "enabled": True,
        "externalURL": "https://reports.example",
        "keySecretName": "report-key",
        "tls": {"secretName": "report-tls", "caKey": "ca.crt"},
    }
}
"""The least that switches the receiver on."""

each_value_set = pytest.mark.parametrize(
    "value_set", VALUE_SETS, ids=lambda path: path.name.removesuffix("-values.yaml")
)
"""Run a test with each of the value sets under ci/."""

# Helm's own order (pkg/release/util/kind_sorter.go), for the kinds of this chart; what it does not know comes last.
_INSTALL_ORDER = (
    "NetworkPolicy",
    "ServiceAccount",
    "ConfigMap",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "Deployment",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "PodMonitor",
    "PrometheusRule",
)

# The chart takes the CRDs through a link, and Helm remarks on each link that it follows.
disable_logging()


def render(values: Mapping[str, Any] | None = None, *, release: str = "edgeglm") -> list[Manifest]:
    """All objects of a release, in install order."""
    return copy.deepcopy(_rendered(json.dumps(values or {}), release))


def render_files(values: Mapping[str, Any] | None = None, release: str = "edgeglm") -> dict[str, str]:
    """The text that each template gives; NOTES.txt is left out."""
    with Chart.load(CHART) as chart:
        files = chart.render(dict(values or {}), name=release, namespace="edgeglm-system")
    return {name: text for name, text in files.items() if not name.endswith("NOTES.txt")}


def values_of(path: Path) -> dict[str, Any]:
    """One of the value sets under ci/."""
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    return values


def of_others(manifest: Manifest) -> bool:
    """Whether a cluster has its kind only with somebody else's operator."""
    group: str = manifest["apiVersion"].partition("/")[0]
    return group == "monitoring.coreos.com"


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of this kind and name."""
    [found] = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    return found


def operator_pod(values: Mapping[str, Any] | None = None) -> Manifest:
    """The pod template of the operator."""
    [template] = pods(values, component="operator")
    return template


def pods(values: Mapping[str, Any] | None = None, *, component: str = "") -> list[Manifest]:
    """The pod templates of a component, or of all."""
    found = [each["spec"]["template"] for each in of_kind(render(values), "Deployment")]
    labelled = "app.kubernetes.io/component"
    return [pod for pod in found if component in {"", pod["metadata"]["labels"][labelled]}]


@functools.cache
def _rendered(values: str, release: str) -> list[Manifest]:
    files = render_files(json.loads(values), release)
    manifests = [manifest for text in files.values() for manifest in _documents(text)]
    return sorted(manifests, key=lambda manifest: _INSTALL_ORDER.index(manifest["kind"]))


def _documents(text: str) -> Iterator[Manifest]:
    # The loader in C: the CRDs are long, and Python's own takes a second over them.
    return (document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document)
