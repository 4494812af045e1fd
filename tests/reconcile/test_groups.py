"""Replicas over several nodes as LeaderWorkerSet comes and goes, and what is told of them."""

from typing import Any

import pytest

from edgeglm_operator.kube.kinds import (
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    JOBS,
    LEADER_WORKER_SETS,
    NETWORK_POLICIES,
    SCALED_OBJECTS,
    Kind,
)
from edgeglm_operator.settings import Settings
from tests.reconcile.builders import PLANT, Manifest, an_inference_service
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

ACCELERATOR = {"count": 8}
ONE_NODE = {"accelerator": ACCELERATOR, "replicas": 2}
TWO_NODES = {**ONE_NODE, "nodesPerReplica": 2}
NAME = "llm-nodes"


@pytest.fixture
def cluster() -> InMemoryCluster:
    return InMemoryCluster()


async def test_without_its_api_what_ran_on_one_node_goes_on(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(cloud=ONE_NODE))
    operator = await operated(cluster)
    before = cluster.live(DEPLOYMENTS, PLANT, "llm")
    cluster.put(an_inference_service(cloud=TWO_NODES))
    await operator.settle()

    assert condition(cluster, "CloudReady") == ("False", "LeaderWorkerSetMissing")
    assert condition(cluster, "Ready") == ("False", "LeaderWorkerSetMissing")
    assert cluster.live(DEPLOYMENTS, PLANT, "llm") == before


async def test_an_api_that_comes_later_is_used_and_one_that_vanishes_is_told(cluster: InMemoryCluster) -> None:
    cluster.put(an_inference_service(cloud=ONE_NODE))
    operator = await operated(cluster)
    cluster.put(an_inference_service(cloud=TWO_NODES))
    cluster.offer(LEADER_WORKER_SETS)
    await operator.look()

    assert cluster.names(LEADER_WORKER_SETS) == [NAME]
    assert cluster.names(DEPLOYMENTS) == []
    assert spec(cluster, LEADER_WORKER_SETS, NAME)["replicas"] == 2
    assert NAME in cluster.names(NETWORK_POLICIES)

    cluster.withdraw(LEADER_WORKER_SETS)
    await operator.look()
    assert condition(cluster, "CloudReady") == ("False", "LeaderWorkerSetMissing")

    cluster.offer(LEADER_WORKER_SETS)
    await operator.look()
    assert cluster.names(LEADER_WORKER_SETS) == [NAME]


async def test_one_node_is_gone_back_to(cluster: InMemoryCluster) -> None:
    cluster.offer(LEADER_WORKER_SETS)
    cluster.put(an_inference_service(cloud=TWO_NODES))
    operator = await operated(cluster)
    cluster.put(an_inference_service(cloud={**TWO_NODES, "nodesPerReplica": None}))
    await operator.settle()

    assert (cluster.names(LEADER_WORKER_SETS), cluster.names(DEPLOYMENTS)) == ([], ["llm"])
    assert cluster.names(NETWORK_POLICIES) == []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({}, ("Unknown", "RollingOut")),
        ({"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2}, ("Unknown", "RollingOut")),
        ({"replicas": 3, "readyReplicas": 2, "updatedReplicas": 1}, ("Unknown", "RollingOut")),
        ({"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2}, ("True", "Serving")),
    ],
)
async def test_a_replica_serves_when_its_whole_group_does(
    cluster: InMemoryCluster, status: Manifest, told: tuple[str, str]
) -> None:
    cluster.offer(LEADER_WORKER_SETS)
    cluster.put(an_inference_service(cloud=TWO_NODES))
    operator = await operated(cluster)
    says(cluster, {"observedGeneration": 1, **status})
    await operator.look()

    assert condition(cluster, "CloudReady") == told
    assert found(cluster)["cloud"].get("readyReplicas", 0) == status.get("readyReplicas", 0)


async def test_a_worker_without_a_node_is_told_as_one_of_the_replica(cluster: InMemoryCluster) -> None:
    cluster.offer(LEADER_WORKER_SETS)
    cluster.put(an_inference_service(cloud=TWO_NODES))
    operator = await operated(cluster)
    cluster.put(a_pod(cluster, "workerTemplate", status={"conditions": [unscheduled("8 Insufficient nvidia.com/gpu")]}))
    await operator.look()

    assert condition(cluster, "CloudReady") == ("Unknown", "WaitingForGPU")


async def test_where_there_is_no_room_for_a_group_more_one_goes_in_place(cluster: InMemoryCluster) -> None:
    """As of a Deployment: a worker of the new spec that waits for GPUs is reason enough."""
    cluster.offer(LEADER_WORKER_SETS)
    cluster.put(an_inference_service(cloud=TWO_NODES))
    operator = await operated(cluster)
    served = {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2}
    says(cluster, {**served, "conditions": [{"type": "Available", "status": "True"}]})
    await operator.look()
    cluster.put(an_inference_service(cloud=TWO_NODES, engine={"maxModelLen": 1024}))
    await operator.settle()
    assert pace(cluster) == {"maxSurge": 1, "maxUnavailable": 0}
    assert condition(cluster, "Ready") == ("Unknown", "RollingOut")

    says(cluster, {**served, "observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "conditions": []})
    cluster.put(a_pod(cluster, "workerTemplate", status={"conditions": [unscheduled("8 Insufficient nvidia.com/gpu")]}))
    operator.now = "2026-01-01T00:03:00Z"
    await operator.look()
    assert pace(cluster) == {"maxSurge": 0, "maxUnavailable": 1}
    says(cluster, {"observedGeneration": 3})
    await operator.look()
    assert condition(cluster, "Progressing") == ("True", "InPlace")


async def test_only_the_first_pod_of_each_group_is_verified(cluster: InMemoryCluster) -> None:
    cluster.offer(LEADER_WORKER_SETS)
    cluster.put(an_inference_service(cloud={**TWO_NODES, "replicas": 1}))
    operator = await operated(cluster, Settings(verification_concurrency=4))
    says(cluster, {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1})
    ready = {"conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]}
    for which, address in (("leaderTemplate", "10.0.0.1"), ("workerTemplate", "10.0.0.2")):
        cluster.put(a_pod(cluster, which, status={**ready, "podIP": address, "phase": "Running"}))
    await operator.look()

    (job,) = cluster.names(JOBS)
    arguments = spec(cluster, JOBS, job)["template"]["spec"]["containers"][0]["args"]
    assert [each for each in arguments if each.startswith("--url=")] == ["--url=http://10.0.0.1:8000"]


async def test_an_autoscaler_scales_groups_and_keeps_their_number(cluster: InMemoryCluster) -> None:
    cluster.offer(LEADER_WORKER_SETS, SCALED_OBJECTS)
    cluster.put(an_inference_service(cloud={**TWO_NODES, "replicas": 3}))
    operator = await operated(cluster)
    autoscaling = {"minReplicas": 1, "maxReplicas": 4}
    cluster.put(an_inference_service(cloud={**TWO_NODES, "replicas": None, "autoscaling": autoscaling}))
    await operator.settle()

    assert spec(cluster, SCALED_OBJECTS, "llm")["scaleTargetRef"]["name"] == NAME
    assert spec(cluster, LEADER_WORKER_SETS, NAME)["replicas"] == 3
    cluster.put({**identity(LEADER_WORKER_SETS, NAME), "spec": {"replicas": 4}})
    await operator.look()
    assert spec(cluster, LEADER_WORKER_SETS, NAME)["replicas"] == 4


async def test_another_release_of_the_operator_restarts_no_group(cluster: InMemoryCluster) -> None:
    cluster.offer(LEADER_WORKER_SETS)
    cluster.put(an_inference_service(cloud=TWO_NODES))
    await operated(cluster)
    before = spec(cluster, LEADER_WORKER_SETS, NAME)["leaderWorkerTemplate"]
    await operated(cluster, Settings(engine_image="vllm/vllm-openai:v9"))

    assert spec(cluster, LEADER_WORKER_SETS, NAME)["leaderWorkerTemplate"] == before


async def test_rounds_over_a_settled_world_write_nothing(cluster: InMemoryCluster) -> None:
    cluster.offer(LEADER_WORKER_SETS)
    cluster.put(an_inference_service(cloud=TWO_NODES))
    operator = await operated(cluster)
    says(cluster, {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2})
    await operator.look()
    before = len(cluster.writes)
    for _ in range(3):
        await operator.look()

    assert cluster.writes[before:] == []


async def operated(cluster: InMemoryCluster, settings: Settings | None = None) -> OperatorInMemory:
    return await reconciled(cluster, settings or Settings(prometheus_url="http://prometheus:9090"))


def a_pod(cluster: InMemoryCluster, which: str, **body: Any) -> Manifest:
    """As the sets under a LeaderWorkerSet make it."""
    template = spec(cluster, LEADER_WORKER_SETS, NAME)["leaderWorkerTemplate"][which]
    metadata = {"name": which.lower(), "namespace": PLANT, "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"], **body}


def unscheduled(why: str) -> Manifest:
    return {"type": "PodScheduled", "status": "False", "message": why, "lastTransitionTime": "2026-01-01T00:00:00Z"}


def says(cluster: InMemoryCluster, status: Manifest) -> None:
    """As its controller."""
    cluster.put({**identity(LEADER_WORKER_SETS, NAME), "status": status})


def pace(cluster: InMemoryCluster) -> Manifest:
    """Of the rollout."""
    said: Manifest = spec(cluster, LEADER_WORKER_SETS, NAME)["rolloutStrategy"]["rollingUpdateConfiguration"]
    return said


def identity(kind: Kind, name: str) -> Manifest:
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name, "namespace": PLANT}}


def spec(cluster: InMemoryCluster, kind: Kind, name: str) -> Manifest:
    live: Manifest = (cluster.live(kind, PLANT, name) or {})["spec"]
    return live


def found(cluster: InMemoryCluster) -> Manifest:
    status: Manifest = (cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {}).get("status", {})
    return status


def condition(cluster: InMemoryCluster, of: str) -> tuple[str, str] | None:
    told = found(cluster).get("conditions", [])
    return next(((each["status"], each["reason"]) for each in told if each["type"] == of), None)
