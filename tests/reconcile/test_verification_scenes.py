"""Verification from the first ready replica to the verdict, on a cluster in memory; the test plays kubelet and Job."""

import contextlib
import copy
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edgeglm_api import labels
from edgeglm_api.verification import ReplicaReport, Report
from edgeglm_operator.kube.errors import Forbidden
from edgeglm_operator.kube.kinds import DEPLOYMENTS, INFERENCE_SERVICES, JOBS, PODS
from edgeglm_operator.reconcile.verification import AGAIN_SECONDS
from edgeglm_operator.settings import Settings
from tests.reconcile.builders import PLANT, Manifest, an_edge_node, an_edge_target, an_inference_service
from tests.reconcile.in_memory import DiedError, InMemoryCluster, failing_at
from tests.reconcile.operator_in_memory import OperatorInMemory, reconciled

SETTINGS = Settings(verification_concurrency=16)
REQUESTS = range(1, 37)
"""More than it takes from the first list to a Job (the test makes sure), the removal of an obsolete one included."""
LATER = "2026-01-01T00:20:00Z"

EMPTY = ReplicaReport(url="http://10.0.0.1:8000", answered=1, empty=15)
ANSWERED = ReplicaReport(url="http://10.0.0.1:8000", answered=16)
UNREACHABLE = ReplicaReport(url="http://10.0.0.1:8000", unreachable=16)


@pytest.fixture
async def cluster() -> InMemoryCluster:
    """One service whose two replicas have just become ready."""
    return await a_serving_cluster()


async def a_serving_cluster(**spec: Any) -> InMemoryCluster:
    cluster = InMemoryCluster()
    cluster.put(an_inference_service(**{"cloud": {"replicas": 2}, **spec}))
    await reconciled(cluster, SETTINGS)
    serve(cluster)
    return cluster


def serve(cluster: InMemoryCluster) -> None:
    """As the Deployment controller and the kubelet do: pods of the present template, all ready."""
    live = cluster.live(DEPLOYMENTS, PLANT, "llm") or {}
    template, replicas = live["spec"]["template"], live["spec"]["replicas"]
    revision = template["metadata"]["labels"][labels.REVISION]
    for name in [name for name in cluster.names(PODS) if name.startswith("llm-pod")]:
        cluster.remove(PODS, PLANT, name)
    for number in range(1, replicas + 1):
        metadata = {
            "name": f"llm-pod-{revision}-{number}",
            "namespace": PLANT,
            "labels": template["metadata"]["labels"],
        }
        status = {"podIP": f"10.0.0.{number}", "conditions": [{"type": "Ready", "status": "True"}]}
        cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
    counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), replicas)
    conditions = [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]
    status = {**counts, "observedGeneration": live["metadata"]["generation"], "conditions": conditions}
    cluster.put({**named(live), "status": status})


def end_job(cluster: InMemoryCluster, replica: ReplicaReport, *, succeeded: bool = False) -> None:
    """As the kubelet and the Job controller do: a pod with the program's last words, and the Job's own end."""
    job = the_job(cluster)
    report = Report(concurrency=16, timeout_seconds=300, replicas=(replica,))
    said = {"exitCode": 0 if succeeded else 1, "message": msgspec.json.encode(report).decode()}
    pod_labels = job["spec"]["template"]["metadata"]["labels"] | {labels.JOB: job["metadata"]["uid"]}
    status = {"phase": "Failed", "containerStatuses": [{"name": "verify", "state": {"terminated": said}}]}
    metadata = {"name": f"{job['metadata']['uid']}-pod", "namespace": PLANT, "labels": pod_labels}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": job["metadata"]["uid"], "controller": True}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "ownerReferences": [owner]}, "status": status}
    cluster.put(pod)
    end = {
        "type": "Complete" if succeeded else "Failed",
        "status": "True",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    cluster.put({**named(job), "status": {"conditions": [end]}})


def named(live: Manifest) -> Manifest:
    metadata = {key: live["metadata"][key] for key in ("name", "namespace")}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}


def the_job(cluster: InMemoryCluster) -> Manifest:
    (name,) = cluster.names(JOBS)
    return copy.deepcopy(cluster.live(JOBS, PLANT, name) or {})


def ready(cluster: InMemoryCluster, kind: str = "Ready") -> tuple[str, str]:
    conditions = (cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {})["status"]["conditions"]
    return next((each["status"], each["reason"]) for each in conditions if each["type"] == kind)


async def test_ready_replicas_are_verified_before_the_service_is_ready(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, SETTINGS)

    (container,) = the_job(cluster)["spec"]["template"]["spec"]["containers"]
    assert container["args"][1:] == [
        *("--model=llm", "--concurrency=16", "--report=/dev/termination-log"),
        *("--url=http://10.0.0.1:8000", "--url=http://10.0.0.2:8000"),
    ]
    assert ready(cluster, "CloudReady") == ("True", "Serving")
    assert ready(cluster) == ("Unknown", "Verifying")

    end_job(cluster, ANSWERED, succeeded=True)
    await reconciled(cluster, SETTINGS)

    assert ready(cluster, "Verified") == ("True", "Verified")
    assert ready(cluster) == ("True", "Serving")


async def test_an_engine_whose_further_answers_are_empty_keeps_ready_away(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, SETTINGS)
    end_job(cluster, EMPTY)
    await reconciled(cluster, SETTINGS)

    assert ready(cluster) == ("False", "EmptyAnswers")
    assert ready(cluster, "CloudReady") == ("True", "Serving")
    deployment = cluster.live(DEPLOYMENTS, PLANT, "llm") or {}
    assert deployment["spec"]["replicas"] == 2


@pytest.mark.parametrize("replica", [ANSWERED, EMPTY, UNREACHABLE], ids=["answered", "empty", "unreachable"])
async def test_a_restart_over_a_verdict_writes_nothing(cluster: InMemoryCluster, replica: ReplicaReport) -> None:
    await reconciled(cluster, SETTINGS)
    end_job(cluster, replica, succeeded=replica is ANSWERED)
    await reconciled(cluster, SETTINGS)
    before = len(cluster.writes)

    await reconciled(cluster, SETTINGS)

    assert cluster.writes[before:] == []


async def test_an_upgrade_of_the_operator_verifies_nothing_again(cluster: InMemoryCluster) -> None:
    """Its image is another one; the Job that there is cannot be changed, and need not be."""
    await reconciled(cluster, SETTINGS)
    before = the_job(cluster)

    await reconciled(cluster, replace(SETTINGS, operator_image="edgeglm/operator:9"))

    assert the_job(cluster) == before


async def test_scaling_verifies_nothing_again(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, SETTINGS)
    end_job(cluster, ANSWERED, succeeded=True)
    before = the_job(cluster)["metadata"]["uid"]

    cluster.put(an_inference_service(cloud={"replicas": 5}))
    await reconciled(cluster, SETTINGS)
    serve(cluster)
    await reconciled(cluster, SETTINGS)

    assert the_job(cluster)["metadata"]["uid"] == before
    assert ready(cluster) == ("True", "Serving")


async def test_another_revision_is_verified_anew_and_the_old_job_goes(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, SETTINGS)
    end_job(cluster, EMPTY)
    await reconciled(cluster, SETTINGS)
    before = the_job(cluster)["metadata"]["name"]

    cluster.put(an_inference_service(cloud={"replicas": 2}, engine={"maxNumSeqs": 1}))
    await reconciled(cluster, SETTINGS)
    assert cluster.names(JOBS) == []
    assert ready(cluster)[0] == "Unknown"

    serve(cluster)
    await reconciled(cluster, SETTINGS)
    assert the_job(cluster)["metadata"]["name"] != before
    end_job(cluster, ANSWERED, succeeded=True)
    await reconciled(cluster, SETTINGS)
    assert ready(cluster) == ("True", "Serving")


async def test_who_deletes_the_job_asks_again(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, SETTINGS)
    end_job(cluster, EMPTY)
    await reconciled(cluster, SETTINGS)
    first = the_job(cluster)["metadata"]

    cluster.remove(JOBS, PLANT, first["name"])
    await reconciled(cluster, SETTINGS)

    assert the_job(cluster)["metadata"]["uid"] != first["uid"]
    assert ready(cluster) == ("Unknown", "Verifying")


async def test_an_engine_that_nobody_reached_is_asked_again_after_a_while_and_not_before(
    cluster: InMemoryCluster,
) -> None:
    operator = await reconciled(cluster, SETTINGS)
    end_job(cluster, UNREACHABLE)
    await operator.settle()
    first = the_job(cluster)["metadata"]["uid"]
    assert ready(cluster) == ("Unknown", "EngineUnreachable")

    operator.clock.seconds += AGAIN_SECONDS / 2
    await operator.settle()
    assert the_job(cluster)["metadata"]["uid"] == first

    at(operator, LATER)
    operator.clock.seconds += AGAIN_SECONDS
    await operator.settle()
    assert the_job(cluster)["metadata"]["uid"] != first
    assert ready(cluster) == ("Unknown", "Verifying")


async def test_turned_off_it_leaves_nothing_behind(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, SETTINGS)
    end_job(cluster, EMPTY)
    cluster.put(an_inference_service(cloud={"replicas": 2}, verification={"concurrency": 0}))
    await reconciled(cluster, SETTINGS)
    serve(cluster)
    await reconciled(cluster, SETTINGS)

    assert cluster.names(JOBS) == []
    assert ready(cluster) == ("True", "Serving")


async def test_a_service_at_the_edge_alone_has_nothing_to_verify() -> None:
    cluster = InMemoryCluster()
    cluster.put(an_edge_node("box-1"))
    cluster.put(an_inference_service(edge=[an_edge_target("box-1")]))
    await reconciled(cluster, SETTINGS)

    conditions = (cluster.live(INFERENCE_SERVICES, PLANT, "llm") or {})["status"]["conditions"]
    assert "Verified" not in {each["type"] for each in conditions}


async def test_a_job_that_may_not_be_made_is_told_and_tried_again(cluster: InMemoryCluster) -> None:
    def refuse(number: int) -> None:
        if cluster.requests[number - 1][:2] == ("create", JOBS):
            raise Forbidden("exceeded quota")

    cluster.before = refuse
    operator = await reconciled(cluster, SETTINGS)
    assert ready(cluster) == ("False", "NotAllowed")

    cluster.heal()
    operator.clock.seconds += 30
    await operator.settle()
    assert ready(cluster) == ("Unknown", "Verifying")


async def test_somebody_else_s_job_of_that_name_is_left_alone(cluster: InMemoryCluster) -> None:
    await reconciled(cluster, SETTINGS)
    ours = the_job(cluster)
    cluster.remove(JOBS, PLANT, ours["metadata"]["name"])
    theirs = cluster.put({**named(ours), "spec": ours["spec"]})
    await reconciled(cluster, SETTINGS)

    assert ready(cluster) == ("False", "NotOwned")
    assert the_job(cluster)["metadata"]["uid"] == theirs["metadata"]["uid"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("dies_at", REQUESTS)
@pytest.mark.parametrize("scene", ["ready", "obsolete"])
async def test_a_death_at_any_request_leaves_one_job_of_the_present_revision(
    scene: str, dies_at: int, moment: str
) -> None:
    cluster = await a_serving_cluster()
    if scene == "obsolete":
        await reconciled(cluster, replace(SETTINGS, verification_concurrency=8))
        assert cluster.names(JOBS)[0].endswith("-8")
    before = len(cluster.requests)

    setattr(cluster, moment, failing_at(before + dies_at, DiedError()))
    with contextlib.suppress(DiedError):
        await reconciled(cluster, SETTINGS)
    assert len(cluster.requests) - before < len(REQUESTS), "the scene has outgrown the tests"
    cluster.heal()
    await reconciled(cluster, SETTINGS)

    deployment = cluster.live(DEPLOYMENTS, PLANT, "llm") or {}
    revision = deployment["spec"]["template"]["metadata"]["labels"][labels.REVISION]
    assert the_job(cluster)["metadata"]["name"] == f"llm-verify-{revision}-16"
    assert ready(cluster) == ("Unknown", "Verifying")


def at(operator: OperatorInMemory, moment: str) -> None:
    """The clock on the wall."""
    object.__setattr__(operator.world, "now", lambda: moment)
