"""When the cloud replicas are verified: once for each revision, as soon as all of its replicas are ready.

The Job stays as the record of what was found, so whoever deletes it asks for another look. What failed is not asked
again by itself, since nothing has changed. What could not be asked is: after a while, or once a replica that it was to
ask has gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from edgeglm_api import labels
from edgeglm_api.inference_service import InferenceService
from edgeglm_operator.moment import seconds_between
from edgeglm_operator.observed import Job, Pod
from edgeglm_operator.reconcile.status.verdict import State, Workload
from edgeglm_operator.reconcile.status.verification import Verified, verification_verdict
from edgeglm_operator.resources.effective_engine import effective_engine
from edgeglm_operator.resources.manifest import Manifest
from edgeglm_operator.resources.verification_job import MAX_REPLICAS, make_verification_job, replica_url, urls_among
from edgeglm_operator.settings import Settings

AGAIN_SECONDS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be there now."""

    intent: Manifest | None = None
    """The Job to make; None when nothing is to be made."""
    keeps: bool = False
    """Whether the Job that is there stays."""
    again_after_seconds: float | None = None
    """When the one that is there is to give way to another."""


def concurrency_of(service: InferenceService, settings: Settings) -> int:
    """How many requests at once; 0 is off. Never more than the engine lets in."""
    asked = service.spec.verification.concurrency if service.spec.verification else None
    wanted = settings.verification_concurrency if asked is None else asked
    if not wanted:
        return 0
    scheduling = effective_engine(service, None, settings).scheduling
    most = scheduling.max_queued_requests if scheduling else None
    return wanted if most is None else min(wanted, most)


def plan_verification(
    service: InferenceService, settings: Settings, revision: str, cloud: Workload, found: Verified, now: str
) -> Plan:
    """What is to be done about the revision, given its replicas and what there is of its Job."""
    if found.job is not None:
        return _about(found.job, found, cloud.pods, now)
    urls = _urls(pod for pod in cloud.pods if _serves(pod, revision))
    if not _all_serve(cloud, len(urls)):
        return Plan()
    name, concurrency, asked = found.name, found.concurrency, urls[:MAX_REPLICAS]
    return Plan(intent=make_verification_job(service, settings, name=name, concurrency=concurrency, urls=asked))


def _about(job: Job, found: Verified, pods: Iterable[Pod], now: str) -> Plan:
    """Whether a Job stays, and for how long."""
    if verification_verdict(found, now).state is not State.PROGRESSING:
        return Plan(keeps=True)
    # Not whether they are ready: many requests at once may make a probe late, and a Job made anew never ends.
    if not set(urls_among(job.arguments)) <= set(_urls(pods)):
        return Plan()
    if not job.failed:
        return Plan(keeps=True)
    left = AGAIN_SECONDS - seconds_between(job.ended, now)
    return Plan(keeps=True, again_after_seconds=left) if left > 0 else Plan()


def _all_serve(cloud: Workload, replicas: int) -> bool:
    deployment = cloud.deployment
    return (
        cloud.refused is None
        and deployment is not None
        and deployment.is_serving
        and 0 < deployment.replicas <= replicas
    )


def _serves(pod: Pod, revision: str) -> bool:
    return pod.ready and pod.labels.get(labels.REVISION) == revision


def _urls(pods: Iterable[Pod]) -> list[str]:
    return sorted(replica_url(pod.address) for pod in pods if pod.address and not pod.deleting)
