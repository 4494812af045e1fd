"""Where the cloud replicas go, by the real scheduler on simulated nodes with the labels that real GPUs have."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.kubectl import Kubectl
from tests.cluster.kwok import Kwok
from tests.cluster.operator.objects import Manifest, Scene, eventually
from tests.cluster.operator.process import OperatorProcess
from tests.cluster.process import until
from tests.reconcile.builders import an_inference_service

pytestmark = pytest.mark.cluster

H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
A100 = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "nvidia.com/gpu.memory": "40960"}
SLICES = {
    "nvidia.com/mig-1g.10gb.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb",
    "nvidia.com/mig-1g.10gb.memory": "9728",
}
EDGE = {"node-role.kubernetes.io/edge": ""}

HUNDRED, FORTY, SLICED, AT_THE_EDGE = "p-h100", "p-a100", "p-sliced", "p-edge"
DRIVER = "gpu.example.com"

COLLECTED_SECONDS = 200
"""Kubernetes' garbage collector looks for new kinds each half minute, so it may not know ours yet."""


@pytest.fixture(scope="module", autouse=True)
def nodes(kwok_nodes: Kwok) -> Iterator[None]:
    """One of each kind; the one at the edge has most GPUs, and would be the scheduler's first choice."""
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    kwok_nodes.add_node(HUNDRED, H100, gpus=4)
    kwok_nodes.add_node(FORTY, A100, gpus=4)
    kwok_nodes.add_node(SLICED, SLICES, devices={"nvidia.com/mig-1g.10gb": 7}, taints=[taint])
    kwok_nodes.add_node(AT_THE_EDGE, H100 | EDGE, gpus=8, devices={"nvidia.com/mig-1g.10gb": 7})
    names = (HUNDRED, FORTY, SLICED, AT_THE_EDGE)
    assert until(lambda: all(kwok_nodes.ready(name) for name in names), 20)
    yield
    for name in names:
        kwok_nodes.remove_node(name)


@pytest.fixture
def scene(installed: Kubectl, namespace: str, shared_operator: OperatorProcess) -> Iterator[Scene]:
    """A namespace that an operator looks after; its GPUs are free again at the end."""
    assert shared_operator.is_running, shared_operator.log()
    scene = Scene(installed, namespace)
    yield scene
    scene.run("delete", "infsvc", "--all")
    assert eventually(lambda: not scene.names("pods"), COLLECTED_SECONDS)


def test_a_replica_goes_where_each_gpu_has_enough_memory(scene: Scene) -> None:
    """A card of 80 GB reports 81559 MiB, which is less than 80Gi and more than 80G."""
    scene.apply(with_accelerator(replicas=2, memory="80G"))

    assert eventually(lambda: nodes_of(scene) == [HUNDRED, HUNDRED])
    assert eventually(lambda: is_serving(scene))


def test_a_replica_goes_where_the_product_is(scene: Scene) -> None:
    scene.apply(with_accelerator(replicas=2, products=["NVIDIA-A100-SXM4-40GB", "NVIDIA-L40S"]))

    assert eventually(lambda: nodes_of(scene) == [FORTY, FORTY])


def test_a_replica_on_a_slice_goes_by_the_labels_of_the_slice(scene: Scene) -> None:
    """Slices of 9.5 GiB; the taint of nodes with GPUs does not keep it off."""
    scene.apply(with_accelerator(resource="nvidia.com/mig-1g.10gb", memory="10G"))
    assert eventually(lambda: nodes_of(scene) == [SLICED])

    scene.apply(with_accelerator(resource="nvidia.com/mig-1g.10gb", memory="20G"))

    assert eventually(lambda: "nvidia.com/mig-1g.10gb.memory" in cloud_ready(scene).get("message", ""))


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"products": ["NVIDIA-B200"]}, ["spec.cloud.accelerator.products", "label nvidia.com/gpu.product"]),
        ({"memory": "80Gi"}, ["spec.cloud.accelerator.memory", "label nvidia.com/gpu.memory"]),
    ],
)
def test_where_nobody_has_what_is_asked_for_the_field_is_named(
    scene: Scene, asked: dict[str, Any], names: list[str]
) -> None:
    scene.apply(with_accelerator(**asked))

    assert eventually(lambda: cloud_ready(scene).get("reason") == "Unschedulable")
    assert all(name in cloud_ready(scene)["message"] for name in names)


def test_no_affinity_leads_a_cloud_replica_to_the_edge(scene: Scene) -> None:
    """Two terms, of which one is the edge node by its name: the other one decides."""
    at_the_edge = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [AT_THE_EDGE]}]}
    scene.apply(a_service(affinity=node_affinity(at_the_edge)))
    assert eventually(lambda: "spec.cloud.affinity" in cloud_ready(scene).get("message", ""))
    assert nodes_of(scene) == []

    forty = {"matchExpressions": [{"key": "nvidia.com/gpu.memory", "operator": "Lt", "values": ["50000"]}]}
    scene.apply(a_service(affinity=node_affinity(at_the_edge, forty)))

    assert eventually(lambda: nodes_of(scene) == [FORTY])


def test_replicas_are_spread_over_nodes_by_themselves(scene: Scene) -> None:
    constraint = {"maxSkew": 1, "topologyKey": "nvidia.com/gpu.product", "whenUnsatisfiable": "DoNotSchedule"}
    scene.apply(a_service(replicas=2, accelerator={"memory": "40G"}, topologySpreadConstraints=[constraint]))

    assert eventually(lambda: nodes_of(scene) == [FORTY, HUNDRED])


def test_devices_are_claimed_by_a_template(scene: Scene, claimable: str) -> None:
    """One node has one device: the first replica gets it, the second one waits and says for what."""
    scene.apply(a_claim_template("one-gpu", claimable))
    scene.apply(with_accelerator(replicas=2, claimTemplateName="one-gpu"))

    assert eventually(lambda: nodes_of(scene) == [HUNDRED])
    assert eventually(lambda: cloud_ready(scene).get("reason") == "WaitingForGPU")
    assert "spec.cloud.accelerator.claimTemplateName one-gpu" in cloud_ready(scene)["message"]

    scene.run("patch", "infsvc", "llm", "--type=merge", "-p", '{"spec": {"cloud": {"replicas": 1}}}')

    assert eventually(lambda: is_serving(scene))


def test_a_claim_template_that_is_not_there_is_named(scene: Scene) -> None:
    scene.apply(with_accelerator(claimTemplateName="nobody"))

    assert eventually(lambda: "claimTemplateName nobody" in cloud_ready(scene).get("message", ""))
    scene.apply(a_claim_template("nobody", "no-class"))

    assert eventually(lambda: cloud_ready(scene).get("reason") == "Unschedulable")
    assert "correct the template" in cloud_ready(scene)["message"]


def test_with_everything_said_pods_keep_to_restricted(
    scene: Scene, everything: Manifest, shared_operator: OperatorProcess
) -> None:
    """The namespace enforces it, so a pod that breaks it is not made; and the server keeps all as it was given."""
    scene.run("label", "namespace", scene.namespace, "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    scene.apply(everything)

    assert eventually(lambda: is_serving(scene))
    (pod,) = pods(scene)
    spec = pod["spec"]
    assert spec["nodeName"] == HUNDRED
    assert spec["serviceAccountName"] == "llm"
    assert not any("projected" in volume for volume in spec["volumes"])
    assert spec["runtimeClassName"] == spec["priorityClassName"] == scene.namespace
    assert pod["metadata"]["labels"]["team"] == "a"
    assert {"user-claim", "user-secret", "user-image"} <= {volume["name"] for volume in spec["volumes"]}
    assert "in another form than it was given" not in shared_operator.log()


def test_an_account_that_is_named_no_longer_is_left(scene: Scene) -> None:
    scene.run("create", "serviceaccount", "llm")
    scene.apply(a_service(serviceAccountName="llm"))
    assert eventually(lambda: [pod["spec"]["serviceAccountName"] for pod in pods(scene)] == ["llm"])

    scene.apply(a_service())

    assert eventually(lambda: [pod["spec"]["serviceAccountName"] for pod in pods(scene)] == ["default"])


@pytest.fixture
def claimable(scene: Scene) -> Iterator[str]:
    """The class of the one device that a driver would report of a node."""
    name = f"gpu-{scene.namespace}"
    one = {"driver": DRIVER, "nodeName": HUNDRED, "devices": [{"name": "gpu-0"}]}
    pool = {"name": name, "generation": 1, "resourceSliceCount": 1}
    selector = {"cel": {"expression": f"device.driver == '{DRIVER}'"}}
    version = "resource.k8s.io/v1"
    cluster_wide = [
        {"apiVersion": version, "kind": "DeviceClass", "metadata": {"name": name}, "spec": {"selectors": [selector]}},
        {"apiVersion": version, "kind": "ResourceSlice", "metadata": {"name": name}, "spec": {**one, "pool": pool}},
    ]
    scene.kubectl.apply(cluster_wide)
    yield name
    scene.run("delete", "infsvc", "--all")
    scene.kubectl.run("delete", f"resourceslice/{name}", f"deviceclass/{name}")


@pytest.fixture
def everything(scene: Scene) -> Iterator[Manifest]:
    """A service that says all there is to say, and what it refers to."""
    name = scene.namespace
    capacity = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    size = {"storage": "1Gi"}
    volume = {**capacity, "capacity": size, "hostPath": {"path": "/none"}}
    scene.kubectl.apply(
        [
            {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume},
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": name},
                "value": 1000,
            },
            {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "nvidia"},
        ]
    )
    claim = {**capacity, "volumeName": name, "resources": {"requests": size}}
    scene.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "llm"}})
    scene.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "corpus"}, "spec": claim})
    yield a_service(
        accelerator={"memory": "80G", "products": [H100["nvidia.com/gpu.product"]]},
        nodeSelector={"nvidia.com/gpu.memory": "81559"},
        affinity=FAR_AND_NEAR | node_affinity({"matchExpressions": [{"key": "no", "operator": "DoesNotExist"}]}),
        topologySpreadConstraints=[
            {"maxSkew": 1, "topologyKey": "nvidia.com/gpu.product", "whenUnsatisfiable": "ScheduleAnyway"}
        ],
        tolerations=[{"key": "dedicated", "operator": "Equal", "value": "", "effect": "NoSchedule"}],
        serviceAccountName="llm",
        schedulerName="default-scheduler",
        priorityClassName=name,
        runtimeClassName=name,
        podMetadata={"labels": {"team": "a"}, "annotations": {"example.com/note": "said"}},
        volumes=[{"name": kind, **source} for kind, source in VOLUMES.items()],
        volumeMounts=[{"name": kind, "mountPath": f"/data/{kind}", "readOnly": kind != "empty"} for kind in VOLUMES],
    )
    scene.run("delete", "infsvc", "--all")
    scene.run("delete", "pvc", "corpus")
    scene.kubectl.run("delete", f"pv/{name}", f"priorityclass/{name}", f"runtimeclass/{name}")


HERE = {"topologyKey": "nvidia.com/gpu.product", "labelSelector": {"matchLabels": {"app": "noisy"}}}
FAR_AND_NEAR = {
    "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{**HERE, "namespaceSelector": {}}]},
    "podAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 10, "podAffinityTerm": {**HERE, "mismatchLabelKeys": ["team"]}}
        ]
    },
}
VOLUMES: dict[str, dict[str, Any]] = {
    "config": {"configMap": {"name": "templates", "items": [{"key": "a", "path": "a"}], "optional": True}},
    "secret": {"secret": {"secretName": "ca", "optional": False}},
    "empty": {"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
    "claim": {"persistentVolumeClaim": {"claimName": "corpus", "readOnly": False}},
    "image": {"image": {"reference": "registry.example/plugins:1", "pullPolicy": "IfNotPresent"}},
}


def a_service(**cloud: Any) -> Manifest:
    return an_inference_service(cloud={"replicas": 1, "rollout": {"strategy": "Recreate"}, **cloud})


def with_accelerator(*, replicas: int = 1, **accelerator: Any) -> Manifest:
    return a_service(replicas=replicas, accelerator=accelerator)


def node_affinity(*terms: Manifest) -> Manifest:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"nodeAffinity": required}


def a_claim_template(name: str, device_class: str) -> Manifest:
    requests = [{"name": "gpu", "exactly": {"deviceClassName": device_class}}]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": name},
        "spec": {"spec": {"devices": {"requests": requests}}},
    }


def is_serving(scene: Scene) -> bool:
    return scene.condition("infsvc", "llm", "Ready").get("status") == "True"


def cloud_ready(scene: Scene) -> dict[str, Any]:
    return scene.condition("infsvc", "llm", "CloudReady")


def pods(scene: Scene) -> list[dict[str, Any]]:
    return [found for name in scene.names("pods") if (found := scene.get("pod", name))]


def nodes_of(scene: Scene) -> list[str]:
    """Where its pods are; those that wait are nowhere."""
    return sorted(node for pod in pods(scene) if (node := pod["spec"].get("nodeName")))
