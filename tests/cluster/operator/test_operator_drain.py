"""Requests in flight while replicas come and go: real engines on a real node, under load throughout."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeglm_operator.resources.cloud_deployment import PRE_STOP_SECONDS
from tests.chart.kubectl import Kubectl
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import a_cluster
from tests.cluster.operator.balanced_client import BalancedClient, ready_addresses
from tests.cluster.operator.chart import install_without_operator
from tests.cluster.operator.conftest import launching
from tests.cluster.operator.objects import Manifest, Scene, eventually
from tests.engine.models import ensure_models
from tests.engine.place import models
from tests.reconcile.builders import an_inference_service

pytestmark = [pytest.mark.node, pytest.mark.engine, pytest.mark.timeout(2400)]

NAMESPACE = "drain"
STARTUP_SECONDS = 900
"""A bound: half a minute on two idle cores, and minutes beside an engine that is kept busy."""
OPEN_AT_ONCE, TOKENS = 24, 1000


@pytest.fixture(scope="module")
def with_engines() -> Iterator[Cluster]:
    """Two nodes that have the engine's image; it is no other test's, since it gets the chart's policies."""
    yield from a_cluster("d", lambda cluster: cluster.up_with_nodes(("pause", "engine")))


@pytest.fixture
def scene(with_engines: Cluster, tmp_path: Path) -> Iterator[Scene]:
    """A namespace with the models in a claim, and an operator that looks after it."""
    kubectl = Kubectl(with_engines.kubeconfig)
    install_without_operator(kubectl)
    scene = Scene(kubectl, NAMESPACE)
    kubectl.apply([_namespace()])
    ensure_models()
    kubectl.apply(_claim(models()))
    with launching(with_engines, kubectl, tmp_path) as launch:
        operator = launch()
        operator.start()
        # Two engines and a client leave little of two cores for hundreds of seconds.
        with operator.restarted_when_it_ends():
            yield scene


def test_no_request_fails_while_replicas_are_replaced_and_taken_away(with_engines: Cluster, scene: Scene) -> None:
    """Long requests wait on engines that answer one at a time: a replica that goes still has some."""
    scene.apply(a_service(tokens_a_step=512))
    assert eventually(lambda: is_settled(scene, replicas=1), STARTUP_SECONDS), scene.run("describe", "pods")

    client = BalancedClient(with_engines.api, NAMESPACE, "llm", OPEN_AT_ONCE, TOKENS)
    with client.asking():
        assert eventually(lambda: client.asked, STARTUP_SECONDS)
        [first] = addresses(with_engines)

        scene.apply(a_service(tokens_a_step=256))
        assert eventually(lambda: first in client.left, STARTUP_SECONDS), scene.run("describe", "pods")
        assert eventually(lambda: is_settled(scene, replicas=1), STARTUP_SECONDS), scene.run("describe", "pods")

        scene.run("scale", "infsvc/llm", "--replicas=2")
        assert eventually(lambda: is_settled(scene, replicas=2), STARTUP_SECONDS), scene.run("describe", "pods")
        both = set(addresses(with_engines))
        # At first all wait on the one that was there before.
        assert eventually(lambda: client.keeps_open(both, OPEN_AT_ONCE // 2 - 2), STARTUP_SECONDS)

        scene.run("scale", "infsvc/llm", "--replicas=1")
        assert eventually(lambda: both & set(client.left), STARTUP_SECONDS)
        assert eventually(lambda: len(scene.names("pods")) == 1, STARTUP_SECONDS), scene.run("describe", "pods")

    assert not client.troubles
    # Else nothing was shown: a request that outlives the preStop is one that the engine itself let end.
    assert {each.address for each in client.outlasted(PRE_STOP_SECONDS)} == {first, *(both & set(client.left))}


def addresses(cluster: Cluster) -> list[str]:
    return list(ready_addresses(cluster.api, NAMESPACE, "llm"))


def is_settled(scene: Scene, *, replicas: int) -> bool:
    """Whether the newest specification is what serves, and nothing else is there any more."""
    found = scene.get("infsvc", "llm") or {}
    status = found.get("status", {})
    cloud = status.get("cloud", {})
    is_seen = status.get("observedGeneration") == found["metadata"]["generation"]
    numbers = {cloud.get("replicas"), cloud.get("readyReplicas"), cloud.get("updatedReplicas")}
    return is_seen and numbers == {replicas} and len(scene.names("pods")) == replicas


def a_service(*, tokens_a_step: int) -> Manifest:
    """The tiny model on one core, one request at a time; what changes in it means nothing to the test."""
    environment = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
    engine = {
        "image": "edgeglm.local/engine:dev",
        "dtype": "bfloat16",
        "maxModelLen": 2048,
        "maxNumSeqs": 1,
        "maxNumBatchedTokens": tokens_a_step,
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "extraArgs": ["--enforce-eager", "--kv-cache-memory-bytes=128M"],
    }
    cloud: dict[str, Any] = {
        "replicas": 1,
        "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "6Gi"}},
    }
    # The last request waits for all the others.
    timeouts = {"startupSeconds": STARTUP_SECONDS, "progressDeadlineSeconds": 1800, "drainSeconds": 600}
    model = {"uri": "pvc://models/tiny-glm4"}
    return an_inference_service(
        model=model, engine=engine, cloud=cloud, timeouts=timeouts, verification={"concurrency": 0}
    )


def _namespace() -> Manifest:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def _claim(directory: Path) -> list[Manifest]:
    """The directory of the models as a volume, and a claim on it."""
    common = {"accessModes": ["ReadOnlyMany"], "storageClassName": "models"}
    volume = {**common, "capacity": {"storage": "10Gi"}, "hostPath": {"path": str(directory)}}
    claim = {**common, "volumeName": "models", "resources": {"requests": {"storage": "10Gi"}}}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "models"}, "spec": volume},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models", "namespace": NAMESPACE},
            "spec": claim,
        },
    ]
