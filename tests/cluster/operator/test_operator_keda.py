"""KEDA itself follows our ScaledObject, through the autoscaler of Kubernetes itself; only Prometheus is a stub."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.chart.kubectl import Kubectl
from tests.chart.replicas import every_number_of_replicas
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import AnyCluster
from tests.cluster.keda import Keda
from tests.cluster.need import skip_or_fail
from tests.cluster.operator.conftest import Launch
from tests.cluster.operator.objects import Scene, eventually
from tests.cluster.operator.prometheus import StubPrometheus
from tests.cluster.process import until
from tests.reconcile.builders import an_inference_service

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SCALED_SECONDS = 180
"""KEDA asks each 15 s and so does the autoscaler; one replica more or less a minute."""
FOLLOWS_LOAD = {"minReplicas": 1, "maxReplicas": 4, "inFlightPerReplica": 10, "scaleDownDelaySeconds": 0}


@pytest.fixture
def scene(installed: Kubectl, namespace: str) -> Scene:
    return Scene(installed, namespace)


@pytest.fixture
def prometheus() -> Iterator[StubPrometheus]:
    with StubPrometheus() as stub:
        yield stub


@pytest.fixture(scope="module")
def keda(cluster: AnyCluster) -> Iterator[Keda]:
    if not isinstance(cluster, Cluster):
        skip_or_fail("KEDA is started on the lab's own cluster", "unset EDGEGLM_KUBECONFIG")
    keda = Keda(cluster.control_plane)
    try:
        keda.start()
        yield keda
    finally:
        keda.stop()


def test_replicas_follow_the_load_and_keep_their_number_at_each_hand_over(
    scene: Scene, launch: Launch, prometheus: StubPrometheus, keda: Keda, tmp_path: Path
) -> None:
    prometheus.in_flight = 10
    operator = launch(f"--prometheus-url={prometheus.url}")
    operator.start()
    scene.apply(an_inference_service(cloud={"autoscaling": FOLLOWS_LOAD}))
    assert eventually(lambda: condition(scene) == ("True", "Scaling"), SCALED_SECONDS), told(scene)

    with every_number_of_replicas(scene.kubectl, scene.namespace, tmp_path / "replicas") as seen:
        prometheus.in_flight = 20
        assert eventually(lambda: replicas(scene) == 2, SCALED_SECONDS), told(scene)
        assert any("num_requests_waiting" in query and scene.namespace in query for query in prometheus.asked)
        assert any("kv_cache_usage_perc" in query for query in prometheus.asked)

        scene.patch("infsvc", "llm", {"spec": {"cloud": {"autoscaling": None, "replicas": 2}}})
        assert eventually(lambda: not scene.names("scaledobjects") and not scene.names("hpa"), SCALED_SECONDS)
        assert replicas(scene) == 2
        scene.patch("infsvc", "llm", {"spec": {"cloud": {"replicas": None, "autoscaling": FOLLOWS_LOAD}}})
        assert eventually(lambda: condition(scene) == ("True", "Scaling"), SCALED_SECONDS), told(scene)
        assert replicas(scene) == 2

        prometheus.in_flight = 0
        assert eventually(lambda: replicas(scene) == 1, SCALED_SECONDS), told(scene)
        assert until(lambda: [number for number, _ in groupby(seen())] == ["1", "2", "1"], 30), seen()


def test_keda_leaves_zero_to_an_activator_of_the_user_s_own(
    scene: Scene, launch: Launch, prometheus: StubPrometheus, keda: Keda
) -> None:
    """Nobody is heard of replicas that sleep, nor of one that has been woken and still loads."""
    prometheus.in_flight = 10
    launch(f"--prometheus-url={prometheus.url}").start()
    scene.apply(an_inference_service(cloud={"autoscaling": {**FOLLOWS_LOAD, "scaleToZero": {"activator": "External"}}}))
    assert eventually(lambda: condition(scene) == ("True", "Scaling"), SCALED_SECONDS), told(scene)

    prometheus.in_flight = None
    for number in (0, 1):
        scene.run("scale", "deployment", "llm", f"--replicas={number}")
        # Two questions a round: one round at least began with this number, and has ended.
        enough = prometheus.times_asked + 5
        assert eventually(lambda: prometheus.times_asked >= enough, SCALED_SECONDS), told(scene)  # noqa: B023 - now
        assert replicas(scene) == number, told(scene)
        if not number:
            assert eventually(lambda: condition(scene) == ("True", "ScaledToZero"), SCALED_SECONDS), told(scene)

    prometheus.in_flight = 20
    assert eventually(lambda: replicas(scene) == 2, SCALED_SECONDS), told(scene)


def condition(scene: Scene) -> tuple[str, str]:
    found = scene.condition("infsvc", "llm", "AutoscalingReady")
    return found.get("status", ""), found.get("reason", "")


def replicas(scene: Scene) -> int:
    found: int = (scene.get("deployment", "llm") or {})["spec"]["replicas"]
    return found


def told(scene: Scene) -> str:
    """What they say who scale."""
    return scene.run("get", "scaledobjects,hpa", "-o", "yaml")
