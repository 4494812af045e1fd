"""Why an object is not ready, as a chain of lines: each scene in full, since the whole is what a person reads."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edgeglm_api import labels
from edgeglm_api.conditions import Condition
from edgeglm_api.edge_site import EdgeSite
from edgeglm_api.inference_service import InferenceService, Status
from edgeglm_operator.kube import kinds
from edgeglm_operator.live.cause import Cause, lines
from edgeglm_operator.live.chain import chain, is_ready
from edgeglm_operator.live.look import look
from edgeglm_operator.live.seen import Event, Seen, event_from
from edgeglm_operator.observed import Container, Deployment, Pod
from tests.reconcile.builders import PLANT
from tests.reconcile.builders import an_inference_service as a_service_object
from tests.reconcile.in_memory import InMemoryCluster
from tests.reconcile.operator_in_memory import reconciled
from tests.unit.operator.builders import (
    NOW,
    a_deployment,
    a_node,
    a_pod,
    a_sensor_graph,
    a_target,
    an_edge_site,
    an_inference_service,
)

NO_GPU = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
IN_CLOUD = {labels.SERVICE: "llm", labels.PLACE: "cloud", labels.COMPONENT: "engine"}
AT_BOX = {**IN_CLOUD, labels.PLACE: "edge", labels.TARGET: "plants", labels.SITE: "box-1"}
OF_AGENT = {labels.SITE: "box-1", labels.COMPONENT: "agent"}


def told(subject: Any, *conditions: tuple[str, str, str, str], generation: int = 3) -> Any:
    """The object with a status: type, status, reason and message of each condition."""
    made = tuple(
        Condition(type=kind, status=status, reason=reason, message=message)  # type: ignore[arg-type]
        for kind, status, reason, message in conditions
    )
    status = msgspec.structs.replace(subject.status, conditions=made, observed_generation=generation)
    return msgspec.structs.replace(subject, status=status)


def a_service(*conditions: tuple[str, str, str, str], **spec: Any) -> InferenceService:
    service: InferenceService = told(an_inference_service(**spec), *conditions)
    return service


def a_waiting_pod(name: str = "llm-1") -> Pod:
    return a_pod(name=name, uid=name, labels=IN_CLOUD, node="", scheduled=False, scheduling_message=NO_GPU)


def said(**seen: Any) -> list[str]:
    return list(lines(chain(Seen(**seen), NOW)))


def test_pods_that_no_node_can_take() -> None:
    service = a_service(
        ("Ready", "Unknown", "WaitingForGPU", "0 of 2 replicas ready"),
        ("Accepted", "True", "Accepted", ""),
        ("CloudReady", "Unknown", "WaitingForGPU", "0 of 2 replicas ready"),
        cloud={"replicas": 2, "accelerator": {}},
    )
    events = (
        Event(about="llm-1", reason="FailedScheduling", message="older", last="2026-11-22T11:51:00Z"),
        Event(about="llm-1", reason="FailedScheduling", message=NO_GPU, count=7, last="2026-11-22T11:59:00Z"),
        Event(about="somebody-else", reason="Other", message="x"),
    )
    pods = (a_waiting_pod(), a_waiting_pod("llm-2"))
    found = a_deployment(replicas=2, labels=IN_CLOUD)
    assert said(subject=service, deployments=(found,), pods=pods, events=events) == [
        "InferenceService plant/llm: Ready=Unknown WaitingForGPU: 0 of 2 replicas ready",
        "  CloudReady=Unknown WaitingForGPU: 0 of 2 replicas ready",
        "    Deployment llm: 0 of 2 replicas ready, 2 of the present spec",
        "      Pod llm-1: Pending, on no node (and 1 more like it)",
        f"        event FailedScheduling (7 times): {NO_GPU}",
        f"        => WaitingForGPU: no node has enough free nvidia.com/gpu: {NO_GPU[:-1]}; free some, or add a node",
    ]


def test_a_group_of_pods_that_waits_for_the_node_of_one() -> None:
    """The worker's place is another one, but it is of the same replica."""
    over_nodes = {"nodesPerReplica": 2, "accelerator": {"count": 8}}
    service = a_service(("CloudReady", "Unknown", "WaitingForGPU", "0 of 1 replicas ready"), cloud=over_nodes)
    groups = a_deployment(kind="LeaderWorkerSet", name="llm-nodes", labels=IN_CLOUD)
    worker = replace(a_waiting_pod("llm-nodes-0-1"), labels={**IN_CLOUD, labels.PLACE: "cloud-worker"})
    found = said(subject=service, deployments=(groups,), pods=(worker,))
    assert "LeaderWorkerSet llm-nodes: 0 of 1 replicas ready, 1 of the present spec" in "\n".join(found)
    assert any("Pod llm-nodes-0-1: Pending, on no node" in line for line in found)
    nothing = said(subject=service, deployments=(), pods=())
    assert any("there is no LeaderWorkerSet llm-nodes of this service" in line for line in nothing)


def test_what_knative_must_allow_is_a_cause_and_its_own_container_is_none() -> None:
    """Knative's Deployments carry the labels of ours, for they have its pods' labels."""
    refused = ("KnativeFits", "False", "BeyondLimits", "must not set affinity; Knative must have podspec-affinity")
    unready = ("CloudReady", "Unknown", "Starting", "it is loading")
    service = a_service(refused, unready, cloud={"deploymentMode": "Knative"})
    nothing = said(subject=service, deployments=(), pods=())
    assert any("KnativeFits=False BeyondLimits: must not set affinity" in line for line in nothing)
    assert any("Knative has made no Deployment of it" in line for line in nothing)

    engine = Container(name="engine", running=True, running_since="2026-11-22T11:59:00Z")
    proxy = Container(name="queue-proxy", running=True, running_since="2026-11-22T11:59:00Z", started=True)
    pod = replace(a_pod(engine, proxy, labels=IN_CLOUD), scheduled=True)
    revision = a_deployment(name="llm-00001-deployment", labels=IN_CLOUD)
    found = "\n".join(said(subject=service, deployments=(revision,), pods=(pod,)))
    assert "Deployment llm-00001-deployment: 0 of 1 replicas ready" in found
    assert "=> Starting: it is loading" in found


async def test_groups_are_looked_at_where_the_cluster_has_them() -> None:
    cluster = InMemoryCluster()
    cluster.put(a_service_object(cloud={"nodesPerReplica": 2, "accelerator": {"count": 8}}))
    missing = await look(cluster, kinds.INFERENCE_SERVICES, PLANT, "llm")
    assert (missing.deployments, missing.notes) == ((), ("the cluster has no leaderworkersets",))

    cluster.offer(kinds.LEADER_WORKER_SETS)
    await reconciled(cluster)
    seen = await look(cluster, kinds.INFERENCE_SERVICES, PLANT, "llm")
    assert [(each.kind, each.name) for each in seen.deployments or ()] == [("LeaderWorkerSet", "llm-nodes")]
    assert seen.notes == ()


def test_an_image_that_cannot_be_pulled_at_a_site() -> None:
    service = a_service(
        ("Ready", "False", "ImagePull", "spec.edge[plants]: 0 of 1 sites serve"),
        ("EdgeReady", "False", "ImagePull", "spec.edge[plants]: 0 of 1 sites serve"),
        edge=[a_target()],
    )
    engine = Container(name="engine", waiting_reason="ImagePullBackOff", waiting_message='Back-off pulling "x:1"')
    found = a_deployment(name="llm-plants-box-1", labels=AT_BOX, progress_deadline_exceeded=True)
    pod = a_pod(engine, uid="u", labels=AT_BOX)
    assert said(subject=service, deployments=(found,), pods=(pod,))[2:] == [
        "    Deployment llm-plants-box-1: 0 of 1 replicas ready, 1 of the present spec",
        "      nothing has moved for its progressDeadlineSeconds",
        "      Pod llm-abc: Pending, on node box-1",
        '        container engine: waiting, ImagePullBackOff (Back-off pulling "x:1")',
        (
            '        => ImagePull: the image cannot be pulled on node box-1: Back-off pulling "x:1"; check its name in'
            " spec.edge[plants].engine.image, and that the node reaches the registry"
        ),
    ]


def test_an_engine_that_ends_again_and_again() -> None:
    service = a_service(("Ready", "Unknown", "CrashLoop", ""), ("CloudReady", "Unknown", "CrashLoop", ""))
    engine = Container(
        name="engine",
        waiting_reason="CrashLoopBackOff",
        ended=True,
        exit_code=1,
        ended_reason="Error",
        restarts=4,
        ended_message="ValueError: boom",
    )
    pod = a_pod(engine, uid="u", labels=IN_CLOUD)
    assert said(subject=service, deployments=(a_deployment(labels=IN_CLOUD),), pods=(pod,))[4:] == [
        "        container engine: waiting, CrashLoopBackOff; ended last with exit status 1 (Error), restarts: 4",
        (
            "        => CrashLoop: container engine on node box-1 ended with exit status 1: ValueError: boom; see"
            " `kubectl -n plant logs deploy/llm --previous`"
        ),
    ]


def test_what_was_refused_ends_the_chain() -> None:
    service = a_service(("Ready", "False", "ReservedFlag", "no"), ("Accepted", "False", "ReservedFlag", "no"))
    assert said(subject=service) == [
        "InferenceService plant/llm: Ready=False ReservedFlag: no",
        "  Accepted=False ReservedFlag: no",
    ]


def test_a_dark_site_is_told_by_its_edge_site() -> None:
    service = a_service(
        ("Ready", "Unknown", "SiteDisconnected", ""),
        ("EdgeReady", "Unknown", "SiteDisconnected", ""),
        edge=[a_target()],
    )
    dark = told(an_edge_site("north", nodeName="box-1"), ("Connected", "False", "SiteDisconnected", "not heard"))
    found = a_deployment(name="llm-plants-box-1", labels=AT_BOX)
    assert said(subject=service, deployments=(found,), sites=(dark,))[2:] == [
        "    EdgeSite north: Connected=False SiteDisconnected: not heard"
    ]


def test_a_site_that_refuses_its_bundle_says_so_below_its_graph() -> None:
    well = [(kind, "True", "Fine", "") for kind in ("Connected", "AgentReady", "BundleComplete")]
    rejected = ("BundleApplied", "False", "BundleRejected", "its agent refuses the bundle (Invalid)")
    site: EdgeSite = told(an_edge_site(), *well, rejected, ("Healthy", "True", "Healthy", ""))
    graph = told(a_sensor_graph(), ("Ready", "False", "BundleRejected", "1 of 2"), ("Accepted", "True", "Accepted", ""))
    assert not is_ready(site)
    assert said(subject=graph, nodes=(a_node(),), sites=(site,)) == [
        "SensorGraph plant/line-1: Ready=False BundleRejected: 1 of 2",
        "  EdgeSite plant/box-1 (node box-1): not ready",
        "    BundleApplied=False BundleRejected: its agent refuses the bundle (Invalid)",
    ]


def test_what_a_silent_site_is_not_known_to_run_is_said_once() -> None:
    well = [(kind, "True", "Fine", "") for kind in ("Connected", "AgentReady", "BundleComplete")]
    silent = [(kind, "Unknown", "NotReporting", "not since noon") for kind in ("BundleApplied", "Healthy")]
    site: EdgeSite = told(an_edge_site(), *well, *silent)
    assert is_ready(site), "its agent runs, as far as Kubernetes sees"
    asleep = [(kind, "False", "Suspended", "suspended") for kind in ("AgentReady", "BundleApplied", "Healthy")]
    site = told(an_edge_site(), ("Connected", "True", "NodeReady", ""), *asleep)
    assert said(subject=site)[1:] == ["  AgentReady=False Suspended: suspended"]


def test_without_an_operator_that_is_what_is_said() -> None:
    for subject in (an_inference_service(), a_sensor_graph(), an_edge_site()):
        (line,) = said(subject=subject)
        assert ": no operator has looked at it yet; is the operator running? kubectl get pods" in line
    stale = told(an_inference_service(), ("Ready", "True", "Serving", ""), generation=2)
    assert "its status speaks of generation 2, its spec is of generation 3" in said(subject=stale)[1]


def test_a_graph_is_as_ready_as_the_agents_of_its_sites() -> None:
    graph = told(a_sensor_graph(), ("Ready", "Unknown", "Starting", "its agent is ready at 0 of 1 sites"))
    connected, complete = ("Connected", "True", "NodeReady", ""), ("BundleComplete", "True", "Complete", "")
    starting: EdgeSite = told(an_edge_site(), connected, ("AgentReady", "Unknown", "Starting", ""), complete)
    elsewhere: EdgeSite = told(an_edge_site("box-2"), ("Connected", "False", "SiteDisconnected", ""))
    agent = a_deployment(name="box-1-agent", labels=OF_AGENT)
    pod = a_pod(Container(name="agent", running=True, running_since=NOW), labels=OF_AGENT)
    assert said(
        subject=graph, sites=(starting, elsewhere), nodes=(a_node(), a_node("box-2")), deployments=(agent,), pods=(pod,)
    ) == [
        "SensorGraph plant/line-1: Ready=Unknown Starting: its agent is ready at 0 of 1 sites",
        "  EdgeSite plant/box-1 (node box-1): not ready",
        "    AgentReady=Unknown Starting",
        "      Deployment box-1-agent: 0 of 1 replicas ready, 1 of the present spec",
        "        Pod llm-abc: Pending, on node box-1",
        f"          container agent: running since {NOW}",
        "          => Starting: it is loading on node box-1",
    ]


@pytest.mark.parametrize("deployment", [None, a_deployment(labels=IN_CLOUD, pods_refused="exceeded quota")])
def test_pods_that_were_never_made(deployment: Deployment | None) -> None:
    service = a_service(("Ready", "False", "PodsRefused", ""), ("CloudReady", "False", "PodsRefused", ""))
    text = said(subject=service, deployments=(deployment,) if deployment else ())
    assert text[-1].strip() in {
        "there is no Deployment llm of this service",
        "its pods may not be made: exceeded quota",
    }


def test_what_is_ready_needs_one_line() -> None:
    service = a_service(("Ready", "True", "Serving", "1 of 1"), ("CloudReady", "True", "Serving", "1 of 1"))
    assert said(subject=service) == ["InferenceService plant/llm: Ready=True Serving: 1 of 1"]
    assert is_ready(service)
    assert not is_ready(an_inference_service())
    assert not is_ready(msgspec.structs.replace(service, status=Status(observed_generation=2)))


def test_each_cause_is_one_line() -> None:
    assert list(lines(Cause("a\n b", (Cause("c"),)))) == ["a b", "  c"]


def test_an_event_is_read_in_either_of_its_forms() -> None:
    old = {"involvedObject": {"uid": "u"}, "reason": "R", "message": "m", "count": 2, "lastTimestamp": "t"}
    new = {"involvedObject": {"uid": "u"}, "reason": "R", "series": {"count": 2, "lastObservedTime": "t"}}
    assert event_from(old) == Event(about="u", reason="R", message="m", count=2, last="t")
    assert event_from(new) == Event(about="u", reason="R", message="", count=2, last="t")
