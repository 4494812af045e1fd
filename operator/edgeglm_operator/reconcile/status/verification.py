"""What is said of the verification of replicas: of those in the cloud by a Job, of those at sites by their agents."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from edgeglm_api.report import Verification
from edgeglm_api.verification import TIMEOUT_SECONDS, ReplicaReport, Report
from edgeglm_operator.observed import Job, Pod
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.trouble import Expectation, trouble_of
from edgeglm_operator.reconcile.status.verdict import SCALED_TO_ZERO, State, Verdict
from edgeglm_operator.resources.verification_job import urls_among
from edgeglm_operator.verification.judge import VERIFIED, judge

OFF: Final = "spec.verification.concurrency: 0 does without"

_STARTUP_SECONDS: Final = 120
_DEADLINE_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was observed of the verification of one revision."""

    name: str
    """Of its Job."""
    concurrency: int
    replicas: int = 1
    """That are asked for."""
    job: Job | None = None
    pods: tuple[Pod, ...] = ()
    """Of that Job, attempt after attempt."""
    refused: Refused | None = None
    """Why the Job was not made."""


def verification_verdict(found: Verified, now: str) -> Verdict:
    """How it is going; `now` is RFC 3339."""
    if found.refused is not None:
        return Verdict(State.FAILED, found.refused.reason, f"{found.refused.message}; {OFF}")
    if found.job is None:
        return _not_begun(found)
    last = max(found.pods, key=lambda pod: (pod.created, pod.name), default=None)
    report = None if last is None else report_in(last)
    if report is not None:
        return _reported(judge(report), found.job)
    if found.job.succeeded:
        return Verdict(State.SERVING, VERIFIED, f"Job {found.job.name} succeeded")
    if found.job.failed:
        return _without_result(found.job)
    return _on_its_way(found, found.job, last, now)


def verified_at_sites(engines: Mapping[str, Verification]) -> Verdict | None:
    """What agents found of their engines, by the names of the nodes; None when no site has told of any.

    A site that has told nothing yet keeps nobody waiting: it may be dark, and serves all the same.
    """
    if not engines:
        return None
    told = sorted(engines.items())
    replicas = tuple(
        ReplicaReport(
            url=f"site {node}",
            answered=found.answered,
            empty=found.empty,
            failed=found.failed,
            late=found.late,
            median_milliseconds=found.median_milliseconds,
            slowest_milliseconds=found.slowest_milliseconds,
        )
        for node, found in told
    )
    said = next((found.said for _, found in told if found.said), "")
    concurrency = max(found.concurrency for _, found in told)
    return judge(Report(concurrency=concurrency, timeout_seconds=TIMEOUT_SECONDS, replicas=replicas, said=said))


def report_in(pod: Pod) -> Report | None:
    """What its container wrote at its end; None when it has not ended, or not in order."""
    for container in pod.containers:
        try:
            report = msgspec.json.decode(container.ended_message, type=Report)
        except msgspec.MsgspecError:
            continue
        if report.replicas:
            return report
    return None


def _not_begun(found: Verified) -> Verdict:
    if not found.replicas:
        return Verdict(State.PROGRESSING, SCALED_TO_ZERO, "no replica is asked for, so there is none to verify")
    return Verdict(State.PROGRESSING, "AwaitingReplicas", "it begins once all replicas of the present spec are ready")


def _reported(verdict: Verdict, job: Job) -> Verdict:
    if verdict.state is State.FAILED:
        again = f"`kubectl -n {job.namespace} delete job {job.name}` asks again"
        return replace(verdict, message=f"{verdict.message}; {again}")
    if verdict.state is State.PROGRESSING:
        return replace(verdict, message=f"{verdict.message}; it is tried again")
    return verdict


def _without_result(job: Job) -> Verdict:
    said = f"Job {job.name} ended without a result ({job.failure}); it is tried again"
    return Verdict(State.PROGRESSING, "NoResult", f"{said}; {OFF}")


def _on_its_way(found: Verified, job: Job, last: Pod | None, now: str) -> Verdict:
    expected = Expectation(
        startup_seconds=_STARTUP_SECONDS,
        deadline_seconds=_DEADLINE_SECONDS,
        logs=f"kubectl -n {job.namespace} logs job/{job.name}",
    )
    trouble = None if last is None else trouble_of(last, expected, now)
    if trouble is not None:
        return Verdict(State.PROGRESSING, trouble.reason, f"Job {job.name} cannot ask yet: {trouble.message}; {OFF}")
    replicas = len(urls_among(job.arguments))
    said = f"{found.concurrency} parallel requests are sent to each of {replicas} replicas"
    return Verdict(State.PROGRESSING, "Verifying", said)
