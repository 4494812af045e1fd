"""Rollouts of the cloud replicas: what is decided in each state, from the state alone."""

from typing import Any

import msgspec
import pytest

from edgeglm_api import labels
from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.observed import Pod, deployment_from
from edgeglm_operator.reconcile.revision import pack, revision_of, unpack, with_revision
from edgeglm_operator.reconcile.rollout import Plan, plan_rollout
from edgeglm_operator.reconcile.status.verdict import Workload
from edgeglm_operator.resources.cloud_deployment import IN_PLACE, RECREATE, SURGE, make_cloud_deployment
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import NOW, a_pod, an_inference_service

NO_GPU = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 0/2 nodes are available."
NO_LABEL = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
TWO_MINUTES_AGO, MINUTE_AGO = "2026-11-22T11:58:00Z", "2026-11-22T11:59:00Z"


def a_service(length: int = 4096, *, replicas: int = 2, **rollout: Any) -> InferenceService:
    cloud = {"replicas": replicas, "accelerator": {}, "rollout": rollout}
    return an_inference_service(cloud=cloud, engine={"maxModelLen": length})


def planned(service: InferenceService, seen: Workload | None = None, settings: Settings | None = None) -> Plan:
    made = make_cloud_deployment(service, settings or Settings())
    return plan_rollout(made, service, seen or Workload(), NOW)


def seen(intent: Manifest, *pods: Pod, updated: int = 0, old: int = 0, ready: int = 0, **rest: Any) -> Workload:
    """The Deployment as the server has it after the intent was applied: `reason` is of its Progressing condition."""
    status = {
        "observedGeneration": rest.get("observed", 1),
        "replicas": updated + old,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "conditions": [{"type": "Progressing", "reason": rest.get("reason", "ReplicaSetUpdated")}],
    }
    raw = {**intent, "metadata": {**intent["metadata"], "generation": 1}, "status": status}
    return Workload(deployment=deployment_from(raw), pods=pods)


def complete(service: InferenceService) -> Workload:
    """All is as the service asks."""
    replicas = (service.spec.cloud.replicas if service.spec.cloud else None) or 0
    return seen(planned(service).intent, updated=replicas, ready=replicas, reason="NewReplicaSetAvailable")


def changed(service: InferenceService, before: InferenceService) -> Manifest:
    """What is applied when the service becomes another one."""
    return planned(service, complete(before)).intent


def a_waiting_pod(intent: Manifest, since: str = TWO_MINUTES_AGO, said: str = NO_GPU) -> Pod:
    revision = revision_of(intent["spec"]["template"])
    return a_pod(
        scheduled=False,
        node="",
        scheduling_message=said,
        unscheduled_since=since,
        labels={labels.REVISION: revision},
    )


def strategy(plan: Plan) -> Manifest:
    found: Manifest = plan.intent["spec"]["strategy"]
    return found


def asked_length(plan: Plan) -> str:
    arguments: list[str] = plan.intent["spec"]["template"]["spec"]["containers"][0]["args"]
    return next(each.partition("=")[2] for each in arguments if each.startswith("--max-model-len"))


OLD, NEW = a_service(4096), a_service(8192)


def test_a_template_comes_back_out_of_its_annotation() -> None:
    template = with_revision(make_cloud_deployment(OLD, Settings())["spec"]["template"])
    assert unpack(pack(template)) == template


@pytest.mark.parametrize("text", ["", "?", "YWJj", pack({"metadata": {}}), pack({})])
def test_a_spoiled_annotation_is_as_good_as_none(text: str) -> None:
    assert unpack(text) is None


def test_a_change_surges_first() -> None:
    plan = planned(NEW, complete(OLD))
    assert (strategy(plan), asked_length(plan)) == (SURGE, "8192")


@pytest.mark.parametrize(
    ("since", "wait", "expected", "again"),
    [
        (MINUTE_AGO, 120, SURGE, 60),
        (TWO_MINUTES_AGO, 120, IN_PLACE, None),
        (MINUTE_AGO, 0, IN_PLACE, None),
        # Beyond half of progressDeadlineSeconds (3600) nobody waits.
        ("2026-11-22T11:29:00Z", 86400, IN_PLACE, None),
        ("2026-11-22T11:31:00Z", 86400, SURGE, 60),
        # The operator's clock is behind: it looks again when the wait is over by its own count at the latest.
        ("2026-11-22T13:00:00Z", 120, SURGE, 120),
    ],
)
def test_where_no_gpu_is_spare_it_waits_and_then_goes_on_in_place(
    since: str, wait: int, expected: Manifest, again: float | None
) -> None:
    old, new = (a_service(length, surgeWaitSeconds=wait) for length in (4096, 8192))
    intent = changed(new, old)

    plan = planned(new, seen(intent, a_waiting_pod(intent, since), updated=1, old=2, ready=2))

    assert (strategy(plan), plan.again_after_seconds) == (expected, again)
    assert plan.stage is not None
    assert plan.stage.reason == ("InPlace" if expected == IN_PLACE else "WaitingForGPU")


@pytest.mark.parametrize(
    ("kind", "expected"), [("Surge", SURGE), ("InPlace", IN_PLACE), ("Recreate", RECREATE), ("Auto", IN_PLACE)]
)
def test_only_auto_changes_its_mind(kind: str, expected: Manifest) -> None:
    old, new = (a_service(length, strategy=kind) for length in (4096, 8192))
    intent = changed(new, old)
    plan = planned(new, seen(intent, a_waiting_pod(intent), updated=1, old=2, ready=2))
    assert strategy(plan) == expected


def test_a_replica_that_no_node_suits_costs_no_other_its_place() -> None:
    """The end of an old one would not help."""
    intent = changed(NEW, OLD)
    plan = planned(NEW, seen(intent, a_waiting_pod(intent, said=NO_LABEL), updated=1, old=2, ready=2))
    assert strategy(plan) == SURGE


def test_a_replica_of_the_old_template_that_waits_is_no_reason() -> None:
    before = complete(OLD)
    assert before.deployment is not None
    pod = a_waiting_pod(planned(OLD).intent)
    plan = planned(NEW, seen(changed(NEW, OLD), pod, updated=1, old=2, ready=2))
    assert strategy(plan) == SURGE


def test_scaling_up_where_no_gpu_is_free_ends_nobody() -> None:
    intent = planned(OLD).intent
    plan = planned(OLD, seen(intent, a_waiting_pod(intent), updated=2, ready=1, reason="NewReplicaSetAvailable"))
    assert (strategy(plan), plan.stage) == (SURGE, None)


def in_place(service: InferenceService = NEW, before: InferenceService = OLD) -> Manifest:
    """What is applied once the wait was over."""
    intent = changed(service, before)
    return planned(service, seen(intent, a_waiting_pod(intent), updated=1, old=2, ready=2)).intent


@pytest.mark.parametrize("state", [{"updated": 1, "old": 1, "ready": 1}, {"updated": 2, "ready": 1}, {"observed": 0}])
def test_once_in_place_it_stays_so_until_the_end(state: dict[str, int]) -> None:
    """The replica that waited has its place now, and no pod tells of the need any more."""
    assert strategy(planned(NEW, seen(in_place(), **state))) == IN_PLACE


def test_after_the_end_the_next_one_surges_again() -> None:
    plan = planned(NEW, seen(in_place(), updated=2, ready=2, reason="NewReplicaSetAvailable"))
    assert (strategy(plan), plan.stage) == (SURGE, None)


EXCEEDED: dict[str, Any] = {"reason": "ProgressDeadlineExceeded"}


def test_what_fails_in_place_gives_way_to_the_last_good_template() -> None:
    plan = planned(NEW, seen(in_place(), updated=1, old=1, ready=1, **EXCEEDED))

    assert plan.intent["spec"]["template"] == planned(OLD).intent["spec"]["template"]
    assert plan.stage is not None
    assert (plan.stage.reason, plan.stage.state.value) == ("RolledBack", "False")


def rolled_back() -> Manifest:
    return planned(NEW, seen(in_place(), updated=1, old=1, ready=1, **EXCEEDED)).intent


@pytest.mark.parametrize("state", [EXCEEDED, {"reason": "NewReplicaSetAvailable"}], ids=["on the way", "back"])
def test_it_stays_with_the_last_good_template_and_says_so(state: dict[str, Any]) -> None:
    plan = planned(NEW, seen(rolled_back(), updated=2, ready=2, **state))
    assert asked_length(plan) == "4096"
    assert plan.stage is not None
    assert plan.stage.reason == "RolledBack"
    assert "2 of 2 replicas of the last good revision are ready" in plan.stage.message


def test_another_spec_is_tried_after_a_failure() -> None:
    plan = planned(a_service(2048), seen(rolled_back(), updated=2, ready=2, reason="NewReplicaSetAvailable"))
    assert asked_length(plan) == "2048"
    assert unpack(plan.intent["metadata"]["annotations"][labels.LAST_GOOD]) == planned(OLD).intent["spec"]["template"]
    assert labels.FAILED not in plan.intent["metadata"]["annotations"]


def test_going_back_by_hand_ends_the_matter() -> None:
    plan = planned(OLD, seen(rolled_back(), updated=2, ready=2, reason="NewReplicaSetAvailable"))
    assert plan.stage is None
    assert plan.intent["spec"]["template"] == planned(OLD).intent["spec"]["template"]


def test_what_fails_beside_all_old_replicas_has_cost_nothing_and_goes_on_trying() -> None:
    plan = planned(NEW, seen(changed(NEW, OLD), updated=1, old=2, ready=2, **EXCEEDED))
    assert asked_length(plan) == "8192"
    assert plan.stage is not None
    assert (plan.stage.reason, plan.stage.state.value) == ("RolloutFailed", "False")


def test_a_first_rollout_has_nothing_to_go_back_to() -> None:
    service = a_service(strategy="InPlace")
    plan = planned(service, seen(planned(service).intent, updated=2, ready=0, **EXCEEDED))
    assert asked_length(plan) == "4096"


def test_a_template_that_never_served_is_not_gone_back_to() -> None:
    """Changed again in mid-rollout, the one before is the one that served."""
    third = a_service(1024)
    plan = planned(third, seen(changed(NEW, OLD), updated=1, old=2, ready=2))
    assert unpack(plan.intent["metadata"]["annotations"][labels.LAST_GOOD]) == planned(OLD).intent["spec"]["template"]


def test_scaling_changes_no_template() -> None:
    plan = planned(a_service(replicas=5), complete(OLD))
    assert plan.intent["spec"]["template"] == planned(OLD).intent["spec"]["template"]
    assert plan.intent["spec"]["replicas"] == 5


def test_a_status_of_an_earlier_spec_decides_nothing() -> None:
    """It speaks of the rollout before: out of time then is not out of time now."""
    plan = planned(NEW, seen(in_place(), updated=1, old=1, ready=1, observed=0, **EXCEEDED))
    assert asked_length(plan) == "8192"


def test_a_pod_has_time_to_leave_the_service_and_to_finish() -> None:
    """preStop, then the engine's own drain, then its end: the kubelet's patience is longer than all three."""
    drain = 90
    service = an_inference_service(cloud={}, timeouts={"drainSeconds": drain})
    pod = planned(service).intent["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert f"--shutdown-timeout={drain}" in container["args"]
    assert pod["terminationGracePeriodSeconds"] > container["lifecycle"]["preStop"]["sleep"]["seconds"] + drain


def suspended(service: InferenceService) -> InferenceService:
    return msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, suspend=True))


def test_a_suspended_service_has_no_replicas_and_the_template_that_it_had() -> None:
    """A release that makes other pods meanwhile is no reason to replace them on the way back."""
    plan = planned(suspended(OLD), complete(OLD), Settings(engine_image="vllm/vllm-openai:v9"))
    assert plan.intent["spec"]["replicas"] == 0
    assert plan.intent["spec"]["template"] == planned(OLD).intent["spec"]["template"]
    assert planned(OLD, seen(plan.intent, reason="NewReplicaSetAvailable")).intent["spec"]["replicas"] == 2


def test_what_is_asked_for_while_suspended_never_counts_as_good() -> None:
    """None of its replicas ever served, so nobody goes back to it."""
    asleep = planned(suspended(OLD), complete(OLD)).intent
    changed_asleep = planned(suspended(NEW), seen(asleep, reason="NewReplicaSetAvailable")).intent
    third = planned(a_service(1024), seen(changed_asleep, reason="NewReplicaSetAvailable"))
    assert asked_length(third) == "1024"
    assert labels.LAST_GOOD not in third.intent["metadata"]["annotations"]


def test_a_failed_rollout_is_not_told_while_suspended() -> None:
    plan = planned(suspended(NEW), seen(rolled_back(), updated=2, ready=2, reason="NewReplicaSetAvailable"))
    assert plan.stage is None
    assert asked_length(plan) == "4096"
