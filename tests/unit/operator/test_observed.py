"""Projections: what is kept of an object as the API server shows it, recorded from real ones."""

from typing import Any

import pytest

from edgeglm_operator.observed import MESSAGE_LIMIT, controller_of, deployment_from, node_from, pod_from


def conditions(**statuses: str) -> list[dict[str, str]]:
    return [{"type": name, "status": status} for name, status in statuses.items()]


def test_a_lost_node_makes_a_pod_not_ready_whatever_its_containers_say() -> None:
    """Measured: containerStatuses[].ready stays true on a node that is gone."""
    pod = pod_from(
        {
            "metadata": {"name": "p", "namespace": "plant"},
            "spec": {"nodeName": "box-1"},
            "status": {
                "phase": "Running",
                "conditions": conditions(Ready="False", PodScheduled="True", PodReadyToStartContainers="True"),
                "containerStatuses": [{"name": "engine", "ready": True, "started": True, "state": {"running": {}}}],
            },
        }
    )
    assert pod.ready is False
    assert pod.scheduled is True
    assert pod.sandbox_ready is True
    assert pod.containers[0].running is True


def test_a_pod_that_nothing_is_known_of() -> None:
    pod = pod_from({"metadata": {"name": "p"}})
    assert (pod.phase, pod.ready, pod.scheduled, pod.sandbox_ready, pod.containers) == (
        "Pending",
        False,
        False,
        None,
        (),
    )


def test_a_container_tells_how_it_ended_now_or_before() -> None:
    ended = {"exitCode": 0, "reason": "Completed", "message": "bye"}
    pod = pod_from(
        {
            "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {
                "initContainerStatuses": [{"name": "own-data", "state": {"terminated": ended}}],
                "containerStatuses": [
                    {
                        "name": "engine",
                        "restartCount": 3,
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                        "lastState": {"terminated": {**ended, "exitCode": 1}},
                    }
                ],
            },
        }
    )
    init, engine = pod.containers
    assert (init.init, init.ended, init.exit_code, init.waiting_reason) == (True, True, 0, "")
    assert (engine.restarts, engine.waiting_reason, engine.exit_code, engine.ended_message) == (
        3,
        "CrashLoopBackOff",
        1,
        "bye",
    )
    assert pod.restarts == 3
    assert pod.deleting is True


def test_of_a_long_message_the_end_is_kept() -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "x" * 5000 + "the end"}}
    pod = pod_from({"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "c", "state": waiting}]}})
    assert len(pod.containers[0].waiting_message) == MESSAGE_LIMIT
    assert pod.containers[0].waiting_message.endswith("the end")


@pytest.mark.parametrize("status", ["True", "False", "Unknown", None])
def test_a_node_is_ready_only_when_it_says_so(status: str | None) -> None:
    told = [] if status is None else conditions(Ready=status, MemoryPressure="True")
    node = node_from({"metadata": {"name": "box-1", "labels": None}, "status": {"conditions": told}})
    assert node.ready is (status == "True")
    assert node.is_edge is False
    assert node_from({"metadata": {"name": "b", "labels": {"node-role.kubernetes.io/edge": ""}}}).is_edge is True


@pytest.mark.parametrize(
    ("spec", "status", "rolled_out", "serving"),
    [
        (
            {"replicas": 2},
            {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
            True,
            True,
        ),
        (
            {"replicas": 2},
            {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1},
            True,
            False,
        ),
        (
            {"replicas": 2},
            {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
            False,
            False,
        ),
        (
            {"replicas": 2},
            {"observedGeneration": 4, "replicas": 3, "updatedReplicas": 2, "readyReplicas": 3},
            False,
            False,
        ),
        ({"replicas": 0}, {"observedGeneration": 4}, True, True),
        ({}, {"observedGeneration": 4, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}, True, True),
        ({}, {}, False, False),
    ],
)
def test_a_deployment_serves_when_all_of_the_newest_are_ready(
    spec: dict[str, Any], status: dict[str, Any], *, rolled_out: bool, serving: bool
) -> None:
    deployment = deployment_from({"metadata": {"name": "d", "generation": 4}, "spec": spec, "status": status})
    assert (deployment.is_rolled_out, deployment.is_serving) == (rolled_out, serving)


def test_a_deployment_tells_why_it_is_stuck() -> None:
    told = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": 'pods "x" is forbidden'},
    ]
    deployment = deployment_from({"metadata": {"name": "d"}, "status": {"conditions": told}})
    assert deployment.progress_deadline_exceeded is True
    assert deployment.pods_refused == 'pods "x" is forbidden'


def test_only_the_controller_counts_as_owner() -> None:
    other = {"kind": "SensorGraph", "name": "g", "uid": "1"}
    controller = {"kind": "EdgeSite", "name": "s", "uid": "2", "controller": True}
    assert controller_of({"metadata": {"name": "x", "ownerReferences": [other]}}) is None
    owner = controller_of({"metadata": {"name": "x", "ownerReferences": [other, controller]}})
    assert owner is not None
    assert (owner.kind, owner.name, owner.uid) == ("EdgeSite", "s", "2")
