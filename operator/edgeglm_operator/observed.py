"""What the API server shows of nodes, Deployments and pods, cut down to what the status and the placement need.

Thousands of these are held in memory, so a projection keeps a few words of an object that may have tens of kilobytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from edgeglm_api import labels
from edgeglm_api.group import GROUP

Raw = Mapping[str, Any]

MESSAGE_LIMIT: Final = 4096
"""Characters kept of a message: its end, which names the error. The kubelet keeps as many bytes of last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whom an owner reference points at."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node: where it is grouped, and whether the control plane hears it."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    ready: bool = False
    """A dark edge node is not ready though it may well be serving (rule O14)."""
    since: str = ""
    """RFC 3339: when `ready` last changed."""

    @property
    def is_edge(self) -> bool:
        """Whether KubeEdge runs it."""
        return labels.EDGE_NODE in self.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A Deployment and how far its rollout is; or a LeaderWorkerSet, whose groups of pods are replicas alike."""

    kind: str = "Deployment"
    namespace: str
    name: str
    uid: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    owner: Owner | None = None
    """Its controller."""
    notes: dict[str, str] = field(default_factory=dict)
    """Those of its annotations that are ours."""
    is_in_place: bool = False
    """Its strategy ends an old replica before a new one comes."""
    generation: int = 0
    observed_generation: int = 0
    replicas: int = 1
    """Desired."""
    current_replicas: int = 0
    """Pods there are, of any revision; the scale subresource reports them."""
    ready_replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    progress_deadline_exceeded: bool = False
    """`progressDeadlineSeconds` passed without progress; time spent waiting for a node counts."""
    has_arrived: bool = False
    """All replicas of some template were available; scaling and crashes do not change it, another template does."""
    pods_refused: str = ""
    """Why pods cannot even be created: a quota, Pod Security, an admission policy."""

    @property
    def is_scaled_by_another(self) -> bool:
        """Whether an autoscaler says how many replicas there are, and our last intent left it to it."""
        return labels.SCALED_BY in self.notes

    @property
    def is_observed(self) -> bool:
        """Whether its status speaks of its present specification."""
        return self.observed_generation >= self.generation

    @property
    def old_replicas(self) -> int:
        """Pods of templates before the newest."""
        return self.current_replicas - self.updated_replicas

    @property
    def is_rolled_out(self) -> bool:
        """Whether every desired pod is of the newest template and no older one is left."""
        return (
            self.is_observed
            and self.updated_replicas >= self.replicas
            and self.current_replicas <= self.updated_replicas
        )

    @property
    def is_complete(self) -> bool:
        """Whether the newest template is the only one left, and all its replicas have been available."""
        # The word stands for a moment after a Deployment has gone back to a template that it knows.
        return self.has_arrived and self.is_rolled_out

    @property
    def is_serving(self) -> bool:
        """Whether every desired pod is of the newest template and ready."""
        return self.is_rolled_out and self.ready_replicas >= self.replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container: why it waits or how it ended, now or the last time."""

    name: str
    init: bool = False
    running: bool = False
    running_since: str = ""
    """RFC 3339."""
    started: bool = False
    """Its startup probe has passed."""
    restarts: int = 0
    waiting_reason: str = ""
    waiting_message: str = ""
    ended: bool = False
    """It ended at least once, now or before its last restart."""
    exit_code: int = 0
    """Of the last end. An engine that dies may exit 0, so it proves nothing."""
    ended_reason: str = ""
    ended_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, as far as it helps to say why it does not serve."""

    namespace: str
    name: str
    uid: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    node: str = ""
    address: str = ""
    """Its IP."""
    phase: str = "Pending"
    phase_reason: str = ""
    """`Evicted`, `NodeAffinity` …"""
    ready: bool = False
    """The Ready condition, never containerStatuses: those stay true on a lost node (measured)."""
    scheduled: bool = False
    scheduling_message: str = ""
    unscheduled_since: str = ""
    """RFC 3339: since when the scheduler says that no node can take it; empty when it does not say so."""
    has_claims: bool = False
    """Its claims of devices, where it has some, were made from their templates."""
    sandbox_ready: bool | None = None
    """PodReadyToStartContainers: false while volumes or network are not set up; None when not told."""
    containers: tuple[Container, ...] = ()
    deleting: bool = False
    created: str = ""
    """RFC 3339."""
    started: str = ""
    """RFC 3339: when the kubelet first saw it."""

    @property
    def restarts(self) -> int:
        """Restarts of all its containers."""
        return sum(container.restarts for container in self.containers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A Job and how it ended."""

    namespace: str
    name: str
    uid: str = ""
    arguments: tuple[str, ...] = ()
    """Of its container."""
    succeeded: bool = False
    failed: bool = False
    """For good: it makes no pod any more."""
    failure: str = ""
    """Why, in the words of the Job controller."""
    ended: str = ""
    """RFC 3339: when it failed."""


def job_from(raw: Raw) -> Job:
    """Project a batch/v1 Job."""
    meta, failed = raw["metadata"], _condition(raw, "Failed")
    has_failed = failed.get("status") == "True"
    (container,) = raw["spec"]["template"]["spec"]["containers"]
    return Job(
        namespace=meta.get("namespace") or "",
        name=meta["name"],
        uid=meta.get("uid") or "",
        arguments=tuple(container.get("args") or ()),
        succeeded=_condition(raw, "Complete").get("status") == "True",
        failed=has_failed,
        failure=_cut(failed.get("message")) if has_failed else "",
        ended=(failed.get("lastTransitionTime") or "") if has_failed else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Apis:
    """Which of the optional APIs the cluster has, and the operator may use."""

    leader_worker_sets: bool = False
    """Replicas over several nodes."""
    knative_services: bool = False
    """Knative Serving."""
    scaled_objects: bool = False
    """KEDA."""
    interceptor_routes: bool = False
    """KEDA's HTTP Add-on."""
    pod_metrics: bool = False
    """A metrics adapter, for the autoscaler that every cluster has."""
    pod_monitors: bool = False
    """The Prometheus Operator."""
    http_routes: bool = False
    """The Gateway API."""
    inference_pools: bool = False
    """The Gateway API's inference extension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCondition:
    """A condition that somebody else wrote on an object."""

    kind: str
    status: str
    reason: str = ""
    message: str = ""
    generation: int | None = None
    """Of the specification that it speaks of; None when it does not tell."""


def foreign_conditions(raw: Raw) -> tuple[ForeignCondition, ...]:
    """The conditions of a status, or of a part of one."""
    return tuple(
        ForeignCondition(
            kind=each["type"],
            status=each["status"],
            reason=each.get("reason") or "",
            message=_cut(each.get("message")),
            generation=each.get("observedGeneration"),
        )
        for each in raw.get("conditions") or ()
    )


def node_from(raw: Raw) -> Node:
    """Project a v1 Node."""
    meta, ready = raw["metadata"], _condition(raw, "Ready")
    return Node(
        name=meta["name"],
        labels=dict(meta.get("labels") or {}),
        ready=ready.get("status") == "True",
        since=ready.get("lastTransitionTime") or "",
    )


def deployment_from(raw: Raw) -> Deployment:
    """Project an apps/v1 Deployment."""
    meta, status = raw["metadata"], raw.get("status") or {}
    progressing, failure = _condition(raw, "Progressing"), _condition(raw, "ReplicaFailure")
    return Deployment(
        namespace=meta.get("namespace") or "",
        name=meta["name"],
        uid=meta.get("uid") or "",
        labels=dict(meta.get("labels") or {}),
        owner=controller_of(raw),
        notes=_notes(meta),
        is_in_place=_is_in_place((raw.get("spec") or {}).get("strategy") or {}),
        generation=meta.get("generation") or 0,
        observed_generation=status.get("observedGeneration") or 0,
        replicas=_or((raw.get("spec") or {}).get("replicas"), 1),
        current_replicas=status.get("replicas") or 0,
        ready_replicas=status.get("readyReplicas") or 0,
        updated_replicas=status.get("updatedReplicas") or 0,
        available_replicas=status.get("availableReplicas") or 0,
        progress_deadline_exceeded=progressing.get("reason") == "ProgressDeadlineExceeded",
        has_arrived=progressing.get("reason") == "NewReplicaSetAvailable",
        pods_refused=_cut(failure.get("message")) if failure.get("status") == "True" else "",
    )


def deployment_of_groups(raw: Raw) -> Deployment:
    """Project a leaderworkerset.x-k8s.io/v1 LeaderWorkerSet. It knows no deadline."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    pace = (spec.get("rolloutStrategy") or {}).get("rollingUpdateConfiguration") or {}
    return Deployment(
        kind="LeaderWorkerSet",
        namespace=meta.get("namespace") or "",
        name=meta["name"],
        uid=meta.get("uid") or "",
        labels=dict(meta.get("labels") or {}),
        owner=controller_of(raw),
        notes=_notes(meta),
        is_in_place=pace.get("maxSurge") == 0,
        generation=meta.get("generation") or 0,
        observed_generation=status.get("observedGeneration") or 0,
        replicas=_or(spec.get("replicas"), 1),
        current_replicas=status.get("replicas") or 0,
        ready_replicas=status.get("readyReplicas") or 0,
        updated_replicas=status.get("updatedReplicas") or 0,
        available_replicas=status.get("readyReplicas") or 0,
        has_arrived=_condition(raw, "Available").get("status") == "True",
    )


def deployment_of_knative(raw: Raw, pods: Iterable[Pod]) -> Deployment:
    """Project a serving.knative.dev/v1 Service. It counts no replicas, so its pods are; nor does it say how many."""
    meta, status = raw["metadata"], raw.get("status") or {}
    there = [pod for pod in pods if not pod.deleting]
    revision = raw["spec"]["template"]["metadata"]["labels"].get(labels.REVISION)
    return Deployment(
        kind="Knative Service",
        namespace=meta.get("namespace") or "",
        name=meta["name"],
        uid=meta.get("uid") or "",
        labels=dict(meta.get("labels") or {}),
        owner=controller_of(raw),
        notes=_notes(meta),
        generation=meta.get("generation") or 0,
        observed_generation=status.get("observedGeneration") or 0,
        replicas=len(there),
        current_replicas=len(there),
        ready_replicas=sum(pod.ready for pod in there),
        updated_replicas=sum(pod.labels.get(labels.REVISION) == revision for pod in there),
    )


def pod_from(raw: Raw) -> Pod:
    """Project a v1 Pod."""
    meta, status = raw["metadata"], raw.get("status") or {}
    scheduled, sandbox = _condition(raw, "PodScheduled"), _condition(raw, "PodReadyToStartContainers")
    return Pod(
        namespace=meta.get("namespace") or "",
        name=meta["name"],
        uid=meta.get("uid") or "",
        labels=dict(meta.get("labels") or {}),
        node=(raw.get("spec") or {}).get("nodeName") or "",
        address=status.get("podIP") or "",
        phase=status.get("phase") or "Pending",
        phase_reason=status.get("reason") or "",
        ready=_condition(raw, "Ready").get("status") == "True",
        scheduled=scheduled.get("status") == "True",
        scheduling_message=_cut(scheduled.get("message")),
        unscheduled_since=(scheduled.get("lastTransitionTime") or "") if scheduled.get("status") == "False" else "",
        has_claims=bool(status.get("resourceClaimStatuses")),
        sandbox_ready=sandbox.get("status") == "True" if sandbox else None,
        containers=_containers(status),
        deleting=bool(meta.get("deletionTimestamp")),
        created=meta.get("creationTimestamp") or "",
        started=status.get("startTime") or "",
    )


def _notes(meta: Raw) -> dict[str, str]:
    return {key: text for key, text in (meta.get("annotations") or {}).items() if key.startswith(f"{GROUP}/")}


def _is_in_place(strategy: Raw) -> bool:
    return (strategy.get("rollingUpdate") or {}).get("maxSurge") == 0


def controller_of(raw: Raw) -> Owner | None:
    """The one owner that controls an object, if there is one."""
    for reference in raw["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(kind=reference["kind"], name=reference["name"], uid=reference["uid"])
    return None


def _condition(raw: Raw, kind: str) -> Raw:
    conditions: Iterable[Raw] = (raw.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == kind), {})


def _containers(status: Raw) -> tuple[Container, ...]:
    init = (_container(entry, init=True) for entry in status.get("initContainerStatuses") or ())
    rest = (_container(entry, init=False) for entry in status.get("containerStatuses") or ())
    return (*init, *rest)


def _container(raw: Raw, *, init: bool) -> Container:
    state = raw.get("state") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or (raw.get("lastState") or {}).get("terminated") or {}
    return Container(
        name=raw["name"],
        init=init,
        running="running" in state,
        running_since=(state.get("running") or {}).get("startedAt") or "",
        started=bool(raw.get("started")),
        restarts=raw.get("restartCount") or 0,
        waiting_reason=waiting.get("reason") or "",
        waiting_message=_cut(waiting.get("message")),
        ended=bool(ended),
        exit_code=ended.get("exitCode") or 0,
        ended_reason=ended.get("reason") or "",
        ended_message=_cut(ended.get("message")),
    )


def _cut(message: str | None) -> str:
    return (message or "")[-MESSAGE_LIMIT:]


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
