"""Replicas that Knative makes: as its API comes and goes, and what is told of them."""

from typing import Any

import pytest

from edgeglm_operator.kube.errors import Invalid
from edgeglm_operator.kube.kinds import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    INFERENCE_SERVICES,
    JOBS,
    KNATIVE_SERVICES,
    POD_MONITORS,
    SCALED_OBJECTS,
    SERVICES,
    Kind,
)
from edgeglm_operator.settings import Settings
from tests.reconcile.builders import PLANT, Manifest, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

STANDARD = {"replicas": 2}
KNATIVE = {**STANDARD, "deploymentMode": "Knative"}
SLEEPS = {"maxReplicas": 3, "scaleToZero": {"activator": "Knative"}}
ADDRESS = "http://llm.plant.svc.cluster.local"
SERVES: Manifest = {
    "observedGeneration": 1,
    "url": "http://llm.plant.example.com",
    "address": {"url": ADDRESS},
    "latestCreatedRevisionName": "llm-00001",
    "latestReadyRevisionName": "llm-00001",
    "conditions": [{"type": "Ready", "status": "True"}],
}


@pytest.fixture
def cluster() -> InMemoryCluster:
    cluster = InMemoryCluster()
    cluster.offer(SCALED_OBJECTS, POD_MONITORS)
    return cluster


async def test_without_knative_what_ran_before_goes_on(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(cloud={"autoscaling": {"maxReplicas": 3}}))
    operator = await operated(cluster)
    kinds = (DEPLOYMENTS, SERVICES, DISRUPTION_BUDGETS, SCALED_OBJECTS)
    before = {kind: cluster.live(kind, PLANT, "llm") for kind in kinds}
    assert None not in before.values()
    cluster.put(an_inference_service(cloud={"autoscaling": None, **KNATIVE}))
    await operator.settle()

    assert {kind: cluster.live(kind, PLANT, "llm") for kind in kinds} == before
    for of in ("CloudReady", "KnativeFits", "Ready"):
        assert condition(cluster, of) == ("False", "KnativeMissing")


async def test_knative_that_comes_later_takes_over_and_one_that_vanishes_is_told(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(cloud=STANDARD))
    operator = await operated(cluster, Settings(verification_concurrency=4))
    cluster.put(an_inference_service(cloud=KNATIVE, monitoring={"podMonitor": True}))
    cluster.offer(KNATIVE_SERVICES)
    await operator.look()

    assert cluster.names(KNATIVE_SERVICES) == ["llm"]
    for kind in (DEPLOYMENTS, SERVICES, DISRUPTION_BUDGETS, SCALED_OBJECTS, JOBS):
        assert cluster.names(kind) == []
    assert cluster.names(POD_MONITORS) == ["llm"]

    cluster.withdraw(KNATIVE_SERVICES)
    await operator.look()
    assert condition(cluster, "CloudReady") == ("False", "KnativeMissing")

    cluster.offer(KNATIVE_SERVICES)
    await operator.look()
    assert cluster.names(KNATIVE_SERVICES) == ["llm"]


async def test_a_deployment_is_gone_back_to(cluster: InMemoryCluster) -> None:
    operator = await in_knative(cluster)
    cluster.put(an_inference_service(cloud={**STANDARD, "deploymentMode": None}))
    await operator.settle()

    assert (cluster.names(KNATIVE_SERVICES), cluster.names(DEPLOYMENTS)) == ([], ["llm"])
    assert cluster.names(SERVICES) == ["llm"]
    assert condition(cluster, "KnativeFits") is None
    assert found(cluster)["url"] == "http://llm.plant.svc:8000"


async def test_what_is_suspended_is_not_left_to_a_request_to_wake(cluster: InMemoryCluster) -> None:
    operator = await in_knative(cluster)
    cluster.put(an_inference_service(cloud=KNATIVE, suspend=True))
    await operator.settle()
    assert cluster.names(KNATIVE_SERVICES) == []
    assert condition(cluster, "CloudReady") == ("False", "Suspended")

    cluster.put(an_inference_service(cloud=KNATIVE, suspend=False))
    await operator.settle()
    assert cluster.names(KNATIVE_SERVICES) == ["llm"]


UNKNOWN = {"type": "Ready", "status": "Unknown", "reason": "Deploying", "message": "creating"}
TOO_LATE = {"type": "Ready", "status": "False", "reason": "RevisionFailed", "message": "ProgressDeadlineExceeded: late"}
NO_ROUTE = {"type": "Ready", "status": "False", "reason": "NotOwned", "message": "There is an existing Route"}


@pytest.mark.parametrize(
    ("status", "told", "words"),
    [
        ({}, ("Unknown", "WaitingForKnative"), "does it run?"),
        ({"observedGeneration": 0}, ("Unknown", "WaitingForKnative"), "does it run?"),
        ({"conditions": [UNKNOWN], "latestReadyRevisionName": None}, ("Unknown", "RollingOut"), "Knative: Deploying"),
        ({"conditions": [TOO_LATE]}, ("False", "ProgressDeadlineExceeded"), "RevisionFailed: Progress"),
        ({"conditions": [NO_ROUTE]}, ("False", "KnativeFailing"), "NotOwned: There is an existing Route"),
        (
            {"conditions": [TOO_LATE], "latestCreatedRevisionName": "llm-00002"},
            ("False", "ProgressDeadlineExceeded"),
            "revision llm-00001 goes on serving, llm-00002 does not yet",
        ),
        ({}, ("True", "ScaledToZero"), "the next request to http://llm.plant.example.com brings one back"),
    ],
)
async def test_knatives_words_become_ours(
    cluster: InMemoryCluster, status: Manifest, told: tuple[str, str], words: str
) -> None:
    operator = await in_knative(cluster)
    says(cluster, {**SERVES, **status} if status or told[0] == "True" else {})
    await operator.look()

    assert condition(cluster, "CloudReady") == told
    assert words in message(cluster, "CloudReady")


async def test_pods_are_counted_and_knatives_own_container_is_no_engine(cluster: InMemoryCluster) -> None:
    operator = await in_knative(cluster)
    says(cluster, SERVES)
    cluster.put(a_pod(cluster, ready=True))
    await operator.look()
    assert condition(cluster, "Ready") == ("True", "Serving")
    assert "1 of 1 replicas ready; revision llm-00001 at" in message(cluster, "CloudReady")
    assert (found(cluster)["cloud"]["readyReplicas"], found(cluster)["url"]) == (1, ADDRESS)

    says(cluster, {**SERVES, "conditions": [UNKNOWN]})
    cluster.put(a_pod(cluster, ready=False))
    await operator.look()
    assert condition(cluster, "CloudReady") == ("Unknown", "Starting")


async def test_a_pod_that_fails_says_more_than_knative(cluster: InMemoryCluster) -> None:
    operator = await in_knative(cluster)
    says(cluster, {**SERVES, "conditions": [TOO_LATE]})
    waiting = {"name": "engine", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    pod = a_pod(cluster, ready=False)
    cluster.put({**pod, "status": {**pod["status"], "containerStatuses": [waiting]}})
    await operator.look()
    assert condition(cluster, "CloudReady") == ("False", "ImagePull")


async def test_what_knative_refuses_is_told_with_what_it_needs(cluster: InMemoryCluster) -> None:
    cluster.offer(KNATIVE_SERVICES)
    cluster.put(an_inference_service(cloud=KNATIVE))

    def refuse(_: int) -> None:
        verb, kind, _name = cluster.requests[-1]
        if (verb, kind) == ("apply", KNATIVE_SERVICES):
            raise Invalid("must not set the field(s): spec.template.spec.affinity")

    cluster.before = refuse
    operator = await operated(cluster)
    assert condition(cluster, "CloudReady") == ("False", "RefusedByServer")
    assert condition(cluster, "KnativeFits") == ("False", "BeyondLimits")
    told = message(cluster, "KnativeFits")
    assert "must not set the field(s): spec.template.spec.affinity" in told
    assert "config-features kubernetes.podspec-affinity: enabled" in told
    assert "config-features kubernetes.podspec-init-containers: enabled" in told

    cluster.before = lambda _: None
    operator.clock.seconds += 60
    await operator.settle()
    assert condition(cluster, "KnativeFits") == ("True", "WithinLimits")


async def test_wishes_that_do_not_hold_there_are_told(cluster: InMemoryCluster) -> None:
    await in_knative(cluster, {"replicas": None, "deploymentMode": "Knative", "autoscaling": SLEEPS}, verifies=4)
    told = message(cluster, "KnativeFits")
    for field in ("rollout", "autoscaling.kvCacheUtilizationPercent", "disruptionBudget"):
        assert f"spec.cloud.{field}: " in told
    assert "waits no longer than requestSeconds, 600 s, and a start may take 1800 s" in told
    assert "replicas in the cloud are not verified" in told
    assert condition(cluster, "Verified") is None
    assert condition(cluster, "AutoscalingReady") is None


async def test_another_release_of_the_operator_makes_no_new_revision(cluster: InMemoryCluster) -> None:
    await in_knative(cluster)
    before = spec(cluster)
    await operated(cluster, Settings(engine_image="vllm/vllm-openai:v9"))
    assert spec(cluster) == before


async def test_rounds_over_a_settled_world_write_nothing(cluster: InMemoryCluster) -> None:
    operator = await in_knative(cluster)
    says(cluster, SERVES)
    await operator.look()
    before = len(cluster.writes)
    for _ in range(3):
        await operator.look()
    assert cluster.writes[before:] == []


async def in_knative(cluster: InMemoryCluster, cloud: Manifest = KNATIVE, *, verifies: int = 0) -> OperatorInMemory:
    cluster.offer(KNATIVE_SERVICES)
    cluster.put(an_inference_service(cloud=cloud))
    return await operated(cluster, Settings(prometheus_url=PROMETHEUS, verification_concurrency=verifies))


PROMETHEUS = "http://prometheus:9090"


async def operated(cluster: InMemoryCluster, settings: Settings | None = None) -> OperatorInMemory:
    return await reconciled(cluster, settings or Settings(prometheus_url=PROMETHEUS))


def a_pod(cluster: InMemoryCluster, *, ready: bool) -> Manifest:
    """As Knative makes it: with a proxy, which is up long before the engine."""
    template = spec(cluster)["template"]
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "llm-00001-x", "namespace": PLANT, "labels": template["metadata"]["labels"]},
        "spec": {**template["spec"], "nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": "True" if ready else "False"},
            ],
            "containerStatuses": [
                {"name": "engine", "state": running, "started": ready},
                {"name": "queue-proxy", "state": running, "started": True},
            ],
        },
    }


def says(cluster: InMemoryCluster, status: Manifest) -> None:
    """As Knative."""
    identity = {"apiVersion": KNATIVE_SERVICES.api_version, "kind": KNATIVE_SERVICES.name}
    cluster.put({**identity, "metadata": {"name": "llm", "namespace": PLANT}, "status": status})


def spec(cluster: InMemoryCluster, kind: Kind = KNATIVE_SERVICES) -> Manifest:
    live: Manifest = (cluster.live(kind, PLANT, "llm") or {})["spec"]
    return live


def found(cluster: InMemoryCluster) -> Manifest:
    status: Manifest = (cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}).get("status", {})
    return status


def told_of(cluster: InMemoryCluster, of: str) -> dict[str, Any]:
    return next((each for each in found(cluster).get("conditions", []) if each["type"] == of), {})


def condition(cluster: InMemoryCluster, of: str) -> tuple[str, str] | None:
    each = told_of(cluster, of)
    return (each["status"], each["reason"]) if each else None


def message(cluster: InMemoryCluster, of: str) -> str:
    text: str = told_of(cluster, of)["message"]
    return text
