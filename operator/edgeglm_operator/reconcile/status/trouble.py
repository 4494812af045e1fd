"""Why one pod does not serve, in a word that stays and a sentence that helps."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edgeglm_api.time_window import TimeWindow, opens_at
from edgeglm_operator.moment import seconds_between
from edgeglm_operator.observed import Container, Pod
from edgeglm_operator.reconcile.status.download import download_of, failure_of, is_trying_again
from edgeglm_operator.reconcile.status.last_words import cause_of, telling_line

MOUNT_PATIENCE_SECONDS: Final = 60
"""The kubelet mounts what is there within seconds; KubeEdge may bring a new object a minute later."""

_IMAGE_REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


_DOWNLOADING: Final = "Downloading"

_OF_KNATIVE: Final = "queue-proxy"
"""Knative's own container in each of its pods, which runs long before the engine does."""

_CLAIM_WORDS: Final = ("cannot allocate all claims", "resource claim", "resourceclaim", "device class")
"""The scheduler's, where claims of devices are at fault. "no new claims to deallocate" ends any of its messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a pod was asked to do, as far as it says what went wrong."""

    startup_seconds: int
    deadline_seconds: int
    logs: str
    """The command that shows its log."""
    suspended_by: str = ""
    """Who says that there is to be no pod now, as kind and name."""
    woken_by: str = ""
    """Who brings replicas back from none, as the beginning of a sentence; empty where nobody is to."""
    weights: str = ""
    """The URI of weights that are mounted, not downloaded."""
    cache_claim: str = ""
    """The claim that downloads are kept in."""
    accelerator: str = ""
    """The extended resource it asks for."""
    claim_template: str = ""
    """The ResourceClaimTemplate that it gets its devices by."""
    node_fields: tuple[str, ...] = ()
    """The fields that say which nodes will do."""
    own_volumes: tuple[str, ...] = ()
    """The names of the claims, Secrets, ConfigMaps and images that the user has it mount."""
    image_field: str = "the operator's settings"
    """Where its image is set."""
    download_window: TimeWindow | None = None
    """When its model may be downloaded; None is at any time."""
    model_image: str = ""
    """The image that its model is in; empty where it is in none, or is downloaded from there."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a pod from serving."""

    reason: str
    message: str
    is_overdue: bool = False
    """It is older than its deadline, and may go on now."""
    pauses: bool = False
    """It waits for its window: until then nothing of it is late."""


def trouble_of(pod: Pod, expected: Expectation, now: str) -> Trouble | None:
    """What keeps a pod from serving; None when it serves or is on its way out."""
    if pod.ready or pod.deleting or pod.phase == "Succeeded":
        return None
    reason, message = next(_reasons(pod, expected, now))
    pauses = reason == _DOWNLOADING and _goes_on_at(expected, now) is not None
    overdue = not pauses and seconds_between(pod.created, now) > expected.deadline_seconds
    return Trouble(reason, message, overdue, pauses)


def _reasons(pod: Pod, expected: Expectation, now: str) -> Iterator[tuple[str, str]]:
    """The reasons that apply, the most telling first."""
    if pod.phase == "Failed":
        yield pod.phase_reason or "PodFailed", f"the pod on node {pod.node or '?'} failed; Kubernetes makes another"
    if not pod.scheduled:
        yield _unscheduled(pod, expected)
    for container in pod.containers:
        yield from _waiting(container, pod, expected)
    for container in pod.containers:
        if container.ended and not _is_done(container) and not is_trying_again(container, now):
            yield _ended(container, pod, expected)
    yield from _not_mounted(pod, expected, now)
    yield _loading(pod, expected, now)


def _unscheduled(pod: Pod, expected: Expectation) -> tuple[str, str]:
    said = pod.scheduling_message.rstrip(".")
    if said:
        return next(_refusals(said, expected))
    if expected.claim_template and not pod.has_claims:
        # The scheduler says nothing of a pod whose claim has not been made (Kubernetes 1.36).
        return (
            "Scheduling",
            f"no claim has been made by {_template(expected)} yet; make the template if it is not there",
        )
    return "Scheduling", "the scheduler has not placed it yet"


def _refusals(said: str, expected: Expectation) -> Iterator[tuple[str, str]]:
    """What the scheduler's words mean, the most telling first."""
    if expected.accelerator and f"Insufficient {expected.accelerator}" in said:
        yield "WaitingForGPU", f"no node has enough free {expected.accelerator}: {said}; free some, or add a node"
    if "persistentvolumeclaim" in said.lower():
        yield _unusable_claim(said, expected)
    elif expected.claim_template and any(words in said for words in _CLAIM_WORDS):
        yield _unclaimed(said, expected)
    if "free ports" in said:
        yield "HostPortConflict", f"its port is taken on the node: {said}; choose another port, or stop the other pod"
    if "affinity/selector" in said and expected.node_fields:
        cure = f"nodes are chosen by {' and '.join(expected.node_fields)}: correct that, or add such a node"
        yield "Unschedulable", f"no node can take it: {said}; {cure}"
    yield "Unschedulable", f"no node can take it: {said}"


def _unclaimed(said: str, expected: Expectation) -> tuple[str, str]:
    where = _template(expected)
    if "cannot allocate" in said:
        return "WaitingForGPU", f"no node has enough free devices for {where}: {said}; free some, or add a node"
    return "Unschedulable", f"its devices cannot be claimed by {where}: {said}; correct the template"


def _template(expected: Expectation) -> str:
    return f"spec.cloud.accelerator.claimTemplateName {expected.claim_template}"


def _unusable_claim(said: str, expected: Expectation) -> tuple[str, str]:
    named = re.search(r'persistentvolumeclaim "([^"]+)"', said)
    if expected.cache_claim and (named is None or named[1] == expected.cache_claim):
        cure = "make it, or correct spec.cloud.cache.pvc"
        return "CacheMissing", f"the claim {expected.cache_claim} cannot be used: {said}; {cure}"
    is_own = named[1] in expected.own_volumes if named else not expected.weights
    if is_own and expected.own_volumes:
        return (
            "VolumesNotMounted",
            f"a claim of spec.cloud.volumes cannot be used: {said}; make it, or correct it",
        )
    return "WeightsMissing", f"the claim {expected.weights} cannot be used: {said}; make it, or correct the uri"


def _waiting(container: Container, pod: Pod, expected: Expectation) -> Iterator[tuple[str, str]]:
    said = container.waiting_message
    if container.waiting_reason in _IMAGE_REASONS:
        is_model = bool(expected.model_image) and expected.model_image in said
        field = "spec.model.uri" if is_model else expected.image_field
        cure = f"check its name in {field}, and that the node reaches the registry"
        yield "ImagePull", f"the image cannot be pulled on node {pod.node}: {said or container.waiting_reason}; {cure}"
    if container.waiting_reason in _CONFIG_REASONS:
        missing = re.search(r"secret|configmap|key", said, re.IGNORECASE)
        cure = "make the Secret, or correct its name and key" if missing else "see the pod's events"
        yield "SecretMissing" if missing else "ContainerRefused", f"container {container.name}: {said}; {cure}"


def _is_done(container: Container) -> bool:
    """An init container that did its work."""
    return container.init and container.exit_code == 0


def _ended(container: Container, pod: Pod, expected: Expectation) -> tuple[str, str]:
    where = f"on node {pod.node}"
    if container.ended_reason == "OOMKilled":
        said = f"container {container.name} {where} took more memory than its limit and was killed"
        return "OutOfMemory", f"{said}; raise resources.limits.memory"
    if failure := failure_of(container):
        cure, said = failure
        return cure.reason, f"the download {where} failed: {said}; {cure.words}"
    if found := cause_of(container.ended_message):
        cause, line = found
        return cause.reason, f"container {container.name} {where} ended: {line}; {cause.cure}"
    words = telling_line(container.ended_message)
    said = f"with exit status {container.exit_code}" + (f": {words}" if words else "")
    return "CrashLoop", f"container {container.name} {where} ended {said}; see `{expected.logs} --previous`"


def _not_mounted(pod: Pod, expected: Expectation, now: str) -> Iterator[tuple[str, str]]:
    """A failing mount is told by events only; but without its volumes, a pod's sandbox is never begun."""
    if pod.sandbox_ready is not False or seconds_between(pod.started, now) < MOUNT_PATIENCE_SECONDS:
        return
    if expected.weights and not expected.own_volumes:
        yield (
            "WeightsMissing",
            f"{expected.weights} cannot be mounted on node {pod.node}; put the model there, or correct the uri",
        )
    else:
        yield (
            "VolumesNotMounted",
            f"its volumes cannot be mounted on node {pod.node}; see the pod's events for the one that is missing",
        )


def _goes_on_at(expected: Expectation, now: str) -> datetime | None:
    """When a download may go on; None when it may now."""
    window = expected.download_window
    return opens_at(window, datetime.fromisoformat(now)) if window else None


def _pause(expected: Expectation, now: str) -> str:
    opens = _goes_on_at(expected, now)
    return f"; it goes on when download.window opens, at {opens.isoformat(timespec='minutes')}" if opens else ""


def _loading(pod: Pod, expected: Expectation, now: str) -> tuple[str, str]:
    main = [container for container in pod.containers if not container.init and container.name != _OF_KNATIVE]
    if downloaded := download_of(pod):
        return _DOWNLOADING, f"the model is downloading on node {pod.node}: {downloaded}{_pause(expected, now)}"
    if not any(container.running for container in main):
        return "Creating", f"node {pod.node} is pulling the image or making the container"
    if any(container.started for container in main):
        return "NotAnswering", f"it runs on node {pod.node} but does not answer its health check; see `{expected.logs}`"
    waited = max(seconds_between(container.running_since, now) for container in main if container.running)
    if waited > expected.startup_seconds / 2:
        bound = f"half of the {expected.startup_seconds} s of spec.timeouts.startupSeconds has passed"
        cure = f"see `{expected.logs}`, and raise the bound if the storage is slow"
        return "SlowStart", f"it is still loading on node {pod.node}, and more than {bound}; {cure}"
    return "Starting", f"it is loading on node {pod.node}"
