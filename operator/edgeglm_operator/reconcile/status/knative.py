"""How cloud replicas that Knative makes are doing, by its own words, and what of the wish does not hold there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from edgeglm_api.inference_service import Cloud, InferenceService
from edgeglm_operator.observed import ForeignCondition, foreign_conditions
from edgeglm_operator.reconcile.refused import Reason, Refused
from edgeglm_operator.reconcile.status.trouble import Expectation
from edgeglm_operator.reconcile.status.verdict import (
    SCALED_TO_ZERO,
    SERVING,
    State,
    Verdict,
    Workload,
    verdict_of,
    worst_trouble,
)
from edgeglm_operator.resources.cloud_deployment import autoscaling_of
from edgeglm_operator.resources.knative_service import needs_of
from edgeglm_operator.resources.manifest import Manifest

NO_KNATIVE: Final = Refused(
    Reason.KNATIVE_MISSING,
    "spec.cloud.deploymentMode: the cluster has no Knative Serving (serving.knative.dev/v1) for the operator; install"
    " it, or drop the field. What ran before goes on",
)
_TOO_LATE: Final = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnativeView:
    """What was observed of it."""

    intent: Manifest | None = None
    """What is asked of Knative; None where nothing is to run."""
    live: Manifest | None = None
    verifies: bool = False
    """Whether replicas would be verified elsewhere."""


def knative_verdict(view: KnativeView, seen: Workload, expected: Expectation, now: str) -> Verdict:
    """How the replicas are doing."""
    live = view.live
    if seen.refused or expected.suspended_by or live is None:
        return verdict_of(seen, expected, now)
    ready = _heard(live, "Ready")
    if ready is None or not _is_observed(live):
        return Verdict(
            State.PROGRESSING, "WaitingForKnative", "Knative has not looked at its Service yet; does it run?"
        )
    if ready.status == "True":
        return _serving(live, seen)
    worst = worst_trouble(seen.pods, expected, now)
    failed = ready.status == "False" or (worst is not None and worst.is_overdue)
    state = State.FAILED if failed else State.PROGRESSING
    if worst is not None:
        return Verdict(state, worst.reason, f"{_goes_on(live)}{worst.message}")
    reason = _reason(ready) if failed else "RollingOut"
    return Verdict(state, reason, f"{_goes_on(live)}Knative: {_quoted(ready)}")


def knative_limits(service: InferenceService, view: KnativeView, refused: Refused | None) -> Verdict:
    """What of the wish Knative does not take, or takes and does not follow."""
    if refused == NO_KNATIVE:
        return Verdict(State.FAILED, NO_KNATIVE.reason, NO_KNATIVE.message)
    needs = ", ".join(needs_of(view.intent)) if view.intent else ""
    if refused is not None:
        cure = f"; in its own namespace Knative must have {needs}" if needs else ""
        return Verdict(State.FAILED, "BeyondLimits", f"{refused.message}{cure}")
    told = "; ".join((*([f"Knative has {needs}"] if needs else []), *_not_followed(service, view)))
    return Verdict(State.SERVING, "WithinLimits", told)


def knative_url(view: KnativeView) -> str:
    """Where the replicas answer inside the cluster, as Knative says; empty until it does."""
    status = (view.live or {}).get("status") or {}
    url: str = (status.get("address") or {}).get("url") or status.get("url") or ""
    return url


def _not_followed(service: InferenceService, view: KnativeView) -> Iterator[str]:
    """Wishes that have a default, so that having them cannot be refused."""
    asked, timeouts = autoscaling_of(service), service.spec.timeouts
    yield "spec.cloud.rollout: a new revision comes up beside the old one, and waits where there is no room for both"
    if asked is not None:
        yield "spec.cloud.autoscaling.kvCacheUtilizationPercent: only requests in flight are counted"
        if asked.activator and timeouts.startup_seconds > timeouts.request_seconds:
            yield (
                "spec.timeouts.startupSeconds: the request that wakes a replica waits no longer than requestSeconds,"
                f" {timeouts.request_seconds} s, and a start may take {timeouts.startup_seconds} s"
            )
    if (service.spec.cloud or Cloud()).disruption_budget == "Auto":
        yield "spec.cloud.disruptionBudget: none is made"
    if view.verifies:
        yield "spec.verification: replicas in the cloud are not verified"


def _serving(live: Manifest, seen: Workload) -> Verdict:
    status = live["status"]
    where = status.get("url") or "its route"
    there = [pod for pod in seen.pods if not pod.deleting]
    if not there:
        return Verdict(State.SERVING, SCALED_TO_ZERO, f"no replica runs; the next request to {where} brings one back")
    ready = sum(pod.ready for pod in there)
    revision = status.get("latestReadyRevisionName") or "?"
    return Verdict(State.SERVING, SERVING, f"{ready} of {len(there)} replicas ready; revision {revision} at {where}")


def _goes_on(live: Manifest) -> str:
    """Knative takes no traffic from what serves before the next revision does."""
    status = live["status"]
    old, new = status.get("latestReadyRevisionName"), status.get("latestCreatedRevisionName")
    return f"revision {old} goes on serving, {new} does not yet; " if old and old != new else ""


def _reason(ready: ForeignCondition) -> str:
    """The stable word for what Knative says in many."""
    return _TOO_LATE if _TOO_LATE in f"{ready.reason} {ready.message}" else "KnativeFailing"


def _is_observed(live: Manifest) -> bool:
    return bool(live["status"].get("observedGeneration", 0) >= live["metadata"].get("generation", 0))


def _heard(live: Manifest, kind: str) -> ForeignCondition | None:
    return next((each for each in foreign_conditions(live.get("status") or {}) if each.kind == kind), None)


def _quoted(each: ForeignCondition) -> str:
    return ": ".join(part for part in (each.reason, each.message) if part) or f"{each.kind} is {each.status}"
