"""How a Deployment and its pods are doing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from edgeglm_api.conditions import SUSPENDED, Condition, Status
from edgeglm_operator.observed import Deployment, Node, Pod
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.trouble import Expectation, Trouble, trouble_of


class State(Enum):
    """What is said of a part; in this order when one word must do for several parts."""

    FAILED = "False"
    PROGRESSING = "Unknown"
    SUSPENDED = "Suspended"
    DISCONNECTED = "Disconnected"
    SERVING = "True"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a part."""

    state: State
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What was observed of one Deployment."""

    deployment: Deployment | None = None
    pods: tuple[Pod, ...] = ()
    refused: Refused | None = None
    """Why it was not made, or not changed."""


SERVING: Final = "Serving"
SCALED_TO_ZERO: Final = "ScaledToZero"
DISCONNECTED: Final = "SiteDisconnected"

_STATUS: Final[Mapping[State, Status]] = {State.SERVING: "True", State.FAILED: "False", State.SUSPENDED: "False"}

# Where pods fail in several ways, the one that tells most is said: what somebody must change before what may pass.
_PASSING: Final = (
    "NotAnswering",
    "SlowStart",
    "WaitingForGPU",
    "Unschedulable",
    "Downloading",
    "Creating",
    "Starting",
    "Scheduling",
)


def verdict_of(workload: Workload, expected: Expectation, now: str) -> Verdict:
    """How a Deployment is doing."""
    if workload.refused:
        return Verdict(State.FAILED, workload.refused.reason, workload.refused.message)
    if expected.suspended_by:
        return _going(workload.pods) or suspended(expected.suspended_by)
    deployment = workload.deployment
    if deployment is None:
        return Verdict(State.PROGRESSING, "Pending", "it is being made")
    if deployment.is_serving:
        return Verdict(State.SERVING, SERVING, _count(deployment)) if deployment.replicas else _at_zero(expected)
    if deployment.pods_refused:
        return Verdict(
            State.FAILED,
            "PodsRefused",
            f"{_count(deployment)}; its pods may not be made: {deployment.pods_refused};"
            f" change the namespace's policy or quota",
        )
    return _unfinished(deployment, worst_trouble(workload.pods, expected, now))


def site_verdict(workload: Workload, node: Node | None, expected: Expectation, now: str) -> Verdict:
    """How a Deployment at a site is doing. What is out of sight has not failed (rule O14)."""
    if workload.refused or (node is not None and node.ready):
        return verdict_of(workload, expected, now)
    return Verdict(State.DISCONNECTED, DISCONNECTED, dark(node))


def dark(node: Node | None) -> str:
    """What to say of a node that is out of sight."""
    if node is None:
        return "the node is not in the cluster"
    since = f" since {node.since}" if node.since else ""
    return f"node {node.name} has not been heard{since}; it may well be serving"


def suspended(who: str) -> Verdict:
    """What to say of what nobody wants to run now."""
    return Verdict(State.SUSPENDED, SUSPENDED, f"{who} is suspended; set its spec.suspend to false to go on")


def worst_trouble(pods: Iterable[Pod], expected: Expectation, now: str) -> Trouble | None:
    """What tells most of why pods do not serve; None when nothing keeps them from it."""
    troubles = [trouble for pod in pods if (trouble := trouble_of(pod, expected, now)) is not None]
    return min(troubles, key=_rank, default=None)


def condition(kind: str, verdict: Verdict, generation: int) -> Condition:
    """A verdict as a condition."""
    status = _STATUS.get(verdict.state, "Unknown")
    return Condition(
        type=kind, status=status, reason=verdict.reason, message=verdict.message, observed_generation=generation
    )


def _going(pods: Iterable[Pod]) -> Verdict | None:
    left = sum(pod.phase not in {"Succeeded", "Failed"} for pod in pods)
    if not left:
        return None
    return Verdict(State.PROGRESSING, "Suspending", f"pods that finish what they have begun and then go: {left}")


def _unfinished(deployment: Deployment, worst: Trouble | None) -> Verdict:
    # Until a window opens, the Deployment's own deadline says nothing either.
    late = deployment.progress_deadline_exceeded and not (worst is not None and worst.pauses)
    overdue = late or (worst is not None and worst.is_overdue)
    state = State.FAILED if overdue else State.PROGRESSING
    if worst is not None:
        return Verdict(state, worst.reason, f"{_count(deployment)}; {worst.message}")
    reason = "ProgressDeadlineExceeded" if overdue else "RollingOut"
    return Verdict(state, reason, _count(deployment))


def _rank(trouble: Trouble) -> tuple[bool, int, str]:
    passing = trouble.reason in _PASSING
    return not trouble.is_overdue, _PASSING.index(trouble.reason) + 1 if passing else 0, trouble.message


def _count(deployment: Deployment) -> str:
    ready = f"{min(deployment.ready_replicas, deployment.replicas)} of {deployment.replicas} replicas ready"
    if deployment.is_rolled_out or not deployment.ready_replicas:
        return ready
    return f"{ready}, {min(deployment.updated_replicas, deployment.replicas)} of the current spec"


def _at_zero(expected: Expectation) -> Verdict:
    if expected.woken_by:
        return Verdict(State.SERVING, SCALED_TO_ZERO, f"no replica runs; {expected.woken_by} brings them back")
    return Verdict(State.SERVING, SCALED_TO_ZERO, "no replica is asked for")
