"""KubeEdge's Devices on a real API server, with the right that the chart grants for them and without it.

KubeEdge's own CRDs cannot be had here. The one below has its names, the fields of devices.kubeedge.io/v1beta1 that are
read (as of KubeEdge 1.23), and what matters most beside them: the status is no subresource.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from edgeglm_api import bundle as bundles
from edgeglm_api import labels
from edgeglm_operator.resources.names import bundle_name
from tests.chart.conftest import EDGE_NAMESPACE, NAMESPACE
from tests.chart.kubectl import Kubectl, Manifest, Refused
from tests.chart.operator_process import OperatorProcess, edge_node, running_operator
from tests.chart.rendering import render
from tests.cluster.process import until
from tests.reconcile.builders import a_sensor_graph, an_edge_site

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

RIGHTS: Final = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
NODE: Final = f"devices-{secrets.token_hex(3)}"
PUMPS: Final = tuple(f"pump-{at:02}" for at in range(20))
ROUNDS: Final = 5
"""Each pump reports in each of them: a hundred reports."""
CRD: Final = "devices.devices.kubeedge.io"
TEXT: Final = {"type": "string"}
SCHEMA: Final = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {"nodeName": TEXT, "deviceModelRef": {"type": "object", "properties": {"name": TEXT}}},
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


def the_crd(*, served: bool) -> Manifest:
    """Of an older version too, so that v1beta1 can go and the objects stay."""
    versions = [
        {"name": name, "served": there, "storage": stored, "schema": {"openAPIV3Schema": SCHEMA}}
        for name, there, stored in (("v1beta1", served, True), ("v1alpha2", True, False))
    ]
    naming = {"kind": "Device", "listKind": "DeviceList", "plural": "devices", "singular": "device"}
    spec = {"group": "devices.kubeedge.io", "names": naming, "scope": "Namespaced", "versions": versions}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD},
        "spec": spec,
    }


@pytest.fixture
def admin(guarded: Kubectl) -> Iterator[Kubectl]:
    """As the administrator, with no Devices before or after, and a site at which nothing moves by itself."""
    site = an_edge_site(NODE, NODE, suspend=True)
    site["metadata"]["namespace"] = EDGE_NAMESPACE
    with edge_node(guarded, NODE, ready="Unknown"):
        guarded.apply([site])
        yield guarded
        guarded.run("delete", "sgraph,esite", "--all", "-n", EDGE_NAMESPACE)
        guarded.run("delete", "crd", "--ignore-not-found", CRD)


@pytest.fixture
def account(guarded: Kubectl, tmp_path: Path) -> Iterator[Path]:
    """The service account of a release that may list Devices in one namespace."""
    values = {"watchNamespaces": [EDGE_NAMESPACE], "rbac": {"devices": True}}
    rights = [manifest for manifest in render(values, release="devices") if manifest["kind"] in RIGHTS]
    guarded.apply(rights)
    yield guarded.kubeconfig_of("devices-edgeglm", NAMESPACE, tmp_path)
    guarded.run("delete", "-f", "-", text=yaml.safe_dump_all(rights))


@pytest.fixture
def operator(account: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    flags = (f"--namespace={NAMESPACE}", f"--watch-namespace={EDGE_NAMESPACE}", "--discovery-seconds=0.5")
    with running_operator(
        account, tmp_path / "operator.log", *flags, "--lease-name=devices-edgeglm-operator"
    ) as process:
        yield process
        assert process.refusals() == []


def test_they_follow_an_api_that_comes_later_and_goes_and_their_twins_write_nothing(
    operator: OperatorProcess, admin: Kubectl, tmp_path: Path
) -> None:
    relation = {"type": "partOf", "to": {"type": "Line", "idFromLabel": "line"}}
    admin.apply([a_graph(types={"pump-v2": "Pump"}, relations=[relation])])
    operator.await_that(lambda: accepted(admin) == ("False", "DevicesNotReadable"))
    assert generation(admin) == 0

    install(admin, tmp_path, served=True)
    admin.apply([a_device(name) for name in PUMPS])
    operator.await_that(lambda: known(admin) == {**dict.fromkeys(PUMPS, "Pump"), "l1": "Line"})
    operator.await_that(lambda: accepted(admin) == ("True", "Accepted"))
    operator.await_that(lambda: is_at_rest(operator))

    before, written = generation(admin), operator.writes()
    counted = admin.get("device", PUMPS[0], EDGE_NAMESPACE)["metadata"]["generation"]
    for value in range(ROUNDS):
        admin.apply([reporting(a_device(name), value) for name in PUMPS])
        await_rounds(operator, 1)
    assert admin.get("device", PUMPS[0], EDGE_NAMESPACE)["metadata"]["generation"] == counted + ROUNDS
    assert (operator.writes(), generation(admin)) == (written, before)

    admin.run("delete", "device", PUMPS[0], "-n", EDGE_NAMESPACE)
    operator.await_that(lambda: known(admin) == {**dict.fromkeys(PUMPS[1:], "Pump"), "l1": "Line"})

    install(admin, tmp_path, served=False)
    operator.await_that(lambda: accepted(admin) == ("False", "DevicesNotReadable"))
    assert len(known(admin)) == len(PUMPS)
    install(admin, tmp_path, served=True)
    operator.await_that(lambda: accepted(admin) == ("True", "Accepted"))
    assert generation(admin) == before + 1


def test_without_the_right_the_graph_says_which_one_it_needs(admin: Kubectl, tmp_path: Path) -> None:
    install(admin, tmp_path, served=True)
    kubeconfig = admin.kubeconfig_of("edgeglm", NAMESPACE, tmp_path)
    with running_operator(kubeconfig, tmp_path / "operator.log", f"--namespace={NAMESPACE}") as operator:
        admin.apply([a_graph()])
        operator.await_that(lambda: accepted(admin) == ("False", "DevicesNotReadable"))
        operator.await_that(lambda: "rbac.devices" in str(admin.get("sgraph", "pumps", EDGE_NAMESPACE)["status"]))


def a_graph(**devices: Any) -> Manifest:
    endpoint = {"endpoint": {"url": "http://127.0.0.1:8000/v1", "model": "m"}}
    made = a_sensor_graph("pumps", NODE, topology={"devices": devices}, reasoning=endpoint)
    made["metadata"]["namespace"] = EDGE_NAMESPACE
    return made


def a_device(name: str) -> Manifest:
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": name, "namespace": EDGE_NAMESPACE, "labels": {"line": "l1"}},
        "spec": {"nodeName": NODE, "deviceModelRef": {"name": "pump-v2"}},
    }


def reporting(device: Manifest, value: int) -> Manifest:
    """As cloudcore writes what a twin reports."""
    return {**device, "status": {"twins": [{"propertyName": "rms", "reported": {"value": str(value)}}]}}


def install(kubectl: Kubectl, directory: Path, *, served: bool) -> None:
    file = directory / "crd.yaml"
    file.write_text(yaml.safe_dump(the_crd(served=served)))
    kubectl.install(file)
    known_by = f"/apis/devices.kubeedge.io/{'v1beta1' if served else 'v1alpha2'}"
    assert until(lambda: '"devices"' in asked_raw(kubectl, known_by), 60)


def asked_raw(kubectl: Kubectl, path: str) -> str:
    """What the API server answers; nothing where it knows nothing of it yet."""
    try:
        return kubectl.run("get", "--raw", path)
    except Refused:
        return ""


def is_at_rest(operator: OperatorProcess) -> bool:
    """Nothing is written while two rounds go by."""
    written = operator.writes()
    await_rounds(operator, 2)
    return operator.writes() == written


def await_rounds(operator: OperatorProcess, count: int) -> None:
    """Until the operator has listed the Devices so many times more, and once for what was under way."""
    wanted = operator.lists_of("Device") + count + 1
    operator.await_that(lambda: operator.lists_of("Device") >= wanted)


def accepted(kubectl: Kubectl) -> tuple[str, str] | None:
    found = kubectl.get("sgraph", "pumps", EDGE_NAMESPACE).get("status", {}).get("conditions", [])
    return next(((each["status"], each["reason"]) for each in found if each["type"] == "Accepted"), None)


def config_map(kubectl: Kubectl) -> Manifest:
    return kubectl.get("configmap", bundle_name(NODE), EDGE_NAMESPACE)


def generation(kubectl: Kubectl) -> int:
    """Of the site's bundle; 0 where it has none."""
    if f"configmap/{bundle_name(NODE)}" not in kubectl.run("get", "configmap", "-n", EDGE_NAMESPACE, "-o", "name"):
        return 0
    return int(config_map(kubectl)["metadata"]["annotations"][labels.BUNDLE_GENERATION])


def known(kubectl: Kubectl) -> dict[str, str]:
    """What the graph knows beforehand: the type of each id."""
    if not generation(kubectl):
        return {}
    [graph] = bundles.decode(config_map(kubectl)["data"][bundles.BUNDLE_FILE].encode()).graphs
    return {node.id: node.type for node in graph.topology.nodes}
