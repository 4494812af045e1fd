"""How the cloud replicas come from one template to the next where accelerators are scarce.

One replica more comes first, so that nothing is lost meanwhile. Where there is no room for one more, `Auto` waits a
while and then replaces one after the other in place. What fails there has cost a replica, so the last good template is
put back; what fails beside all old replicas has cost nothing, and may go on trying.

All follows from what was observed and from what the Deployment itself remembers, so that any process can go on.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from edgeglm_api import labels
from edgeglm_api.inference_service import Cloud, InferenceService
from edgeglm_operator.moment import seconds_between
from edgeglm_operator.observed import Deployment, Pod
from edgeglm_operator.reconcile.revision import pack, repack, revision_of, unpack, with_revision
from edgeglm_operator.reconcile.status.inference_service import expected_in_cloud
from edgeglm_operator.reconcile.status.stage import Failure, Wait, failed, rolled_back, underway, waiting
from edgeglm_operator.reconcile.status.verdict import Verdict, Workload, verdict_of
from edgeglm_operator.resources.cloud_deployment import IN_PLACE, RECREATE
from edgeglm_operator.resources.manifest import Manifest

_FREED_BY_AN_OLD_REPLICA: Final = ("Insufficient ", "cannot allocate all claims", "anti-affinity", "topology spread")
"""The scheduler's words for what an old replica gives up at its end. That no node has the right labels is not among
them: there going in place would cost a replica and help nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the Deployment should say now, and what to tell of it."""

    intent: Manifest
    stage: Verdict | None = None
    """Where the rollout is; None when there is none."""
    again_after_seconds: float | None = None
    """When to look again: no event tells that a wait is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Which template it is to have, and what to remember beside it."""

    template: Manifest
    last_good: str = ""
    failure: Failure | None = None


def plan_rollout(made: Manifest, service: InferenceService, seen: Workload, now: str) -> Plan:
    """What to apply, given what the maker makes of the spec and what there is. `now` is RFC 3339."""
    live = seen.deployment
    if live is None:
        return Plan(intent=_intent(made, _Choice(template=with_revision(made["spec"]["template"]))))
    wait = _wait(service, live, seen.pods, now)
    choice = _choose(made, service, seen, now)
    is_auto = (service.spec.cloud or Cloud()).rollout.strategy == "Auto"
    goes_in_place = is_auto and ((live.is_in_place and not live.is_complete) or (wait is not None and wait.is_over))
    present = live.notes.get(labels.TEMPLATE, "")
    intent = _intent(made, choice, IN_PLACE if goes_in_place else made["spec"]["strategy"], present=present)
    return Plan(
        intent=intent,
        # Nothing is on its way while nothing is to run.
        stage=None if service.spec.suspend else _stage(intent, choice, live, wait),
        again_after_seconds=wait.left_seconds if wait and is_auto and not goes_in_place else None,
    )


def _intent(made: Manifest, choice: _Choice, strategy: Manifest | None = None, *, present: str = "") -> Manifest:
    """What the maker made, with the chosen template and strategy, and with what to remember."""
    notes = {labels.TEMPLATE: repack(choice.template, present), labels.LAST_GOOD: choice.last_good}
    if choice.failure is not None:
        notes[labels.FAILED] = msgspec.json.encode(choice.failure).decode()
    metadata, spec = made["metadata"], made["spec"]
    annotations = metadata["annotations"] | {key: text for key, text in notes.items() if text}
    return {
        **made,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {**spec, "template": choice.template, "strategy": strategy or spec["strategy"]},
    }


def _choose(made: Manifest, service: InferenceService, seen: Workload, now: str) -> _Choice:
    """What is asked for; the present template while nothing else is asked; the last good one after a failure."""
    live = seen.deployment
    notes = live.notes if live else {}
    present, last_good = unpack(notes.get(labels.TEMPLATE, "")), notes.get(labels.LAST_GOOD, "")
    if live is None or present is None:
        return _Choice(template=with_revision(made["spec"]["template"]), last_good=last_good)
    if notes.get(labels.SPEC_HASH) != made["metadata"]["annotations"][labels.SPEC_HASH]:
        return _changed(with_revision(made["spec"]["template"]), present, last_good, live)
    if labels.FAILED in notes:
        return _Choice(template=present, failure=msgspec.json.decode(notes[labels.FAILED], type=Failure))
    good = unpack(last_good)
    if good is None or not _has_cost_replicas(live, made["spec"]["strategy"]):
        return _Choice(template=present, last_good=last_good)
    why = verdict_of(seen, expected_in_cloud(service), now)
    return _Choice(template=good, failure=Failure(reason=why.reason, message=why.message))


def _changed(asked: Manifest, present: Manifest, last_good: str, live: Deployment) -> _Choice:
    """Something else is asked for; pods may follow from it as before all the same."""
    # Of no replicas all have served, of whatever template: that says nothing for it.
    has_served = live.is_complete and live.replicas > 0
    if revision_of(asked) == revision_of(present) or not has_served:
        return _Choice(template=asked, last_good=last_good)
    return _Choice(template=asked, last_good=pack(present))


def _has_cost_replicas(live: Deployment, strategy: Manifest) -> bool:
    """The newest template did not come up in time, and old replicas have ended for it."""
    ended_old_ones = live.is_in_place or strategy == RECREATE
    return ended_old_ones and live.is_observed and live.progress_deadline_exceeded and not live.is_serving


def _wait(service: InferenceService, live: Deployment, pods: tuple[Pod, ...], now: str) -> Wait | None:
    """The wait of the newest template's pods for what an old replica has; None when there is no such wait."""
    template = unpack(live.notes.get(labels.TEMPLATE, ""))
    if template is None or not live.is_observed or not live.old_replicas:
        return None
    waiting_since = [pod.unscheduled_since for pod in pods if _waits_for_room(pod, revision_of(template))]
    if not waiting_since:
        return None
    # Beyond half of it the Deployment would count as failed before it had a chance in place.
    bound = service.spec.timeouts.progress_deadline_seconds / 2
    cloud = service.spec.cloud or Cloud()
    longest, since = min(cloud.rollout.surge_wait_seconds, bound), min(waiting_since)
    return Wait(
        since=since,
        # A clock that is behind must not make a long wait of a short one.
        left_seconds=max(0.0, longest - max(0.0, seconds_between(since, now))),
        accelerator=cloud.accelerator.in_words if cloud.accelerator else "",
    )


def _waits_for_room(pod: Pod, revision: str) -> bool:
    said = pod.scheduling_message
    return (
        bool(pod.unscheduled_since)
        and not pod.deleting
        and pod.labels.get(labels.REVISION) == revision
        and any(words in said for words in _FREED_BY_AN_OLD_REPLICA)
    )


def _stage(intent: Manifest, choice: _Choice, live: Deployment, wait: Wait | None) -> Verdict | None:
    """Where the rollout is."""
    if choice.failure is not None:
        return rolled_back(choice.failure, live)
    strategy = intent["spec"]["strategy"]
    if not live.is_observed or live.is_complete or not (live.old_replicas or choice.last_good):
        return None
    if live.progress_deadline_exceeded:
        return failed(live)
    if wait is not None and strategy != IN_PLACE:
        return waiting(wait, live)
    if strategy == RECREATE:
        return underway("Recreating", live)
    return underway("InPlace" if strategy == IN_PLACE else "Surging", live)
