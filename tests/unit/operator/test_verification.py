"""The verification of the cloud replicas: when it begins, what it asks, what is said of it, and when it is repeated."""

from typing import Any

import msgspec
import pytest

from edgeglm_api import labels
from edgeglm_api.verification import ReplicaReport, Report
from edgeglm_operator.observed import Container, Job, Pod
from edgeglm_operator.reconcile.refused import Refused
from edgeglm_operator.reconcile.status.inference_service import ServiceView, inference_service_status
from edgeglm_operator.reconcile.status.verdict import State, Workload
from edgeglm_operator.reconcile.status.verification import Verified, verification_verdict
from edgeglm_operator.reconcile.verification import AGAIN_SECONDS, Plan, concurrency_of, plan_verification
from edgeglm_operator.resources.asked import asked_of_cloud
from edgeglm_operator.resources.cloud_deployment import make_cloud_deployment
from edgeglm_operator.resources.names import verification_job_name
from edgeglm_operator.resources.verification_job import MAX_REPLICAS, make_verification_job, urls_among
from edgeglm_operator.settings import Settings
from tests.unit.operator.builders import NOW, a_deployment, a_pod, an_inference_service

REVISION = "abc"
NAME = "llm-verify-abc-16"
SETTINGS = Settings(verification_concurrency=16)
ELEVEN_MINUTES_AGO = "2026-11-22T11:49:00Z"
A_MINUTE_AGO = "2026-11-22T11:59:00Z"


def a_replica(number: int = 1, *, revision: str = REVISION, **rest: Any) -> Pod:
    return a_pod(
        name=f"llm-{number}",
        **{"address": f"10.0.0.{number}", "ready": True, "labels": {labels.REVISION: revision}, **rest},
    )


def a_job(*replicas: int, **rest: Any) -> Job:
    urls = tuple(f"--url=http://10.0.0.{number}:8000" for number in replicas or (1,))
    return Job(namespace="plant", name=NAME, uid="job", arguments=("verify", *urls), **rest)


def a_report(*, concurrency: int = 16, said: str = "", **counts: int) -> Report:
    replica = ReplicaReport(url="http://10.0.0.1:8000", **counts)
    return Report(concurrency=concurrency, timeout_seconds=300, replicas=(replica,), said=said)


def an_attempt(report: Report | None = None, *, created: str = NOW, message: str = "", status: int = 1) -> Pod:
    """A pod of the Job that has ended."""
    words = msgspec.json.encode(report).decode() if report else message
    ended = Container(name="verify", ended=True, exit_code=status, ended_message=words)
    return a_pod(ended, name="attempt", created=created, phase="Failed")


def seen(**rest: Any) -> Verified:
    return Verified(name=NAME, concurrency=16, **rest)


def plan(*pods: Pod, found: Verified | None = None, ready: int | None = None, **rest: Any) -> Plan:
    deployment = a_deployment(replicas=len(pods), ready=len(pods) if ready is None else ready)
    cloud = Workload(**{"deployment": deployment, "pods": pods, **rest})
    return plan_verification(an_inference_service(), SETTINGS, REVISION, cloud, found or seen(), NOW)


# When it begins, and whom it asks.


def test_it_begins_when_all_replicas_of_the_revision_are_ready() -> None:
    made = plan(a_replica(1), a_replica(2)).intent

    assert made is not None
    assert made["metadata"]["name"] == NAME
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert urls_among(container["args"]) == ("http://10.0.0.1:8000", "http://10.0.0.2:8000")


@pytest.mark.parametrize(
    "pods",
    [
        (a_replica(1), a_replica(2, ready=False)),
        (a_replica(1), a_replica(2, revision="old")),
        (a_replica(1), a_replica(2, address="")),
        (a_replica(1), a_replica(2, deleting=True)),
    ],
    ids=["one is not ready", "one is of another revision", "one has no address yet", "one is on its way out"],
)
def test_it_waits_for_the_last_of_them(pods: tuple[Pod, ...]) -> None:
    assert plan(*pods) == Plan()


def test_it_waits_for_the_rollout() -> None:
    assert plan(a_replica(1), ready=0) == Plan()
    assert plan(a_replica(1), deployment=None) == Plan()
    assert plan() == Plan()


def test_somebody_else_s_deployment_is_not_verified() -> None:
    assert plan(a_replica(1), refused=Refused("NotOwned", "theirs")) == Plan()


def test_of_many_replicas_a_bounded_number_is_asked() -> None:
    made = plan(*(a_replica(number) for number in range(1, 41))).intent

    assert made is not None
    assert len(urls_among(made["spec"]["template"]["spec"]["containers"][0]["args"])) == MAX_REPLICAS


def test_an_address_of_ipv6_is_bracketed() -> None:
    made = plan(a_replica(address="fd00::1")).intent

    assert made is not None
    assert "--url=http://[fd00::1]:8000" in made["spec"]["template"]["spec"]["containers"][0]["args"]


# How many.


@pytest.mark.parametrize(
    ("spec", "concurrency"),
    [
        ({}, 16),
        ({"verification": {}}, 16),
        ({"verification": {"concurrency": 4}}, 4),
        ({"verification": {"concurrency": 0}}, 0),
        ({"engine": {"scheduling": {"maxQueuedRequests": 8}}}, 8),
        ({"engine": {"scheduling": {"maxQueuedRequests": 512}}}, 16),
    ],
)
def test_the_spec_says_how_many_then_the_installation_and_never_more_than_the_engine_lets_in(
    spec: dict[str, Any], concurrency: int
) -> None:
    assert concurrency_of(an_inference_service(**spec), SETTINGS) == concurrency


def test_without_a_word_of_the_installation_it_is_off() -> None:
    assert concurrency_of(an_inference_service(), Settings()) == 0


def test_how_many_changes_no_pod() -> None:
    """Or asking for another look would restart what is to be looked at."""
    plain, verified = an_inference_service(), an_inference_service(verification={"concurrency": 4})
    assert asked_of_cloud(plain) == asked_of_cloud(verified)
    assert make_cloud_deployment(plain, SETTINGS) == make_cloud_deployment(verified, SETTINGS)


def test_another_revision_or_number_is_another_job() -> None:
    names = {verification_job_name("llm", revision, number) for revision in ("a", "b") for number in (4, 16)}
    assert len(names) == 4
    assert len(verification_job_name("a" * 52, "0123456789", 256)) <= 63


# What the Job is made of.


def test_the_key_stands_in_no_argument() -> None:
    service = an_inference_service(auth={"apiKeySecretRef": {"name": "keys", "key": "llm"}})
    job = make_verification_job(service, SETTINGS, name=NAME, concurrency=16, urls=["http://10.0.0.1:8000"])

    (container,) = job["spec"]["template"]["spec"]["containers"]
    reference = {"name": "keys", "key": "llm"}
    assert container["env"] == [{"name": "EDGEGLM_API_KEY", "valueFrom": {"secretKeyRef": reference}}]
    assert not any("key" in argument for argument in container["args"])


def test_nothing_takes_its_pod_for_a_replica() -> None:
    service = an_inference_service()
    job = make_verification_job(service, SETTINGS, name=NAME, concurrency=16, urls=["http://10.0.0.1:8000"])
    selector = make_cloud_deployment(service, SETTINGS)["spec"]["selector"]["matchLabels"]

    assert not selector.items() <= job["spec"]["template"]["metadata"]["labels"].items()


# What is said of it.

ANSWERED = a_report(answered=16, median_milliseconds=500, slowest_milliseconds=900)
EMPTY = a_report(answered=1, empty=15)
UNREACHABLE = a_report(unreachable=16, said="no route")

SAID: dict[str, tuple[Verified, str, str, str]] = {
    "no Job yet": (seen(), "Unknown", "AwaitingReplicas", "all replicas"),
    "no replica": (seen(replicas=0), "Unknown", "ScaledToZero", "no replica"),
    "a refused Job": (
        seen(refused=Refused("NotAllowed", "a quota")),
        "False",
        "NotAllowed",
        "a quota; spec.verification.concurrency: 0 does without",
    ),
    "under way": (
        seen(
            job=a_job(1, 2),
            pods=(a_pod(Container(name="verify", running=True), ready=True),),
        ),
        "Unknown",
        "Verifying",
        "16 parallel requests are sent to each of 2 replicas",
    ),
    "an image that cannot be pulled": (
        seen(
            job=a_job(),
            pods=(a_pod(Container(name="verify", waiting_reason="ErrImagePull")),),
        ),
        "Unknown",
        "ImagePull",
        f"Job {NAME} cannot ask yet",
    ),
    "all answered": (
        seen(job=a_job(succeeded=True), pods=(an_attempt(ANSWERED),)),
        "True",
        "Verified",
        "answered 16 parallel requests; half of them within 0.5 s, all within 0.9 s",
    ),
    "all answered, its pod long gone": (
        seen(job=a_job(succeeded=True)),
        "True",
        "Verified",
        NAME,
    ),
    "empty answers": (
        seen(job=a_job(failed=True), pods=(an_attempt(EMPTY),)),
        "False",
        "EmptyAnswers",
        "15 of 16 parallel requests came back empty",
    ),
    "empty answers, before the Job says so": (
        seen(job=a_job(), pods=(an_attempt(EMPTY),)),
        "False",
        "EmptyAnswers",
        f"`kubectl -n plant delete job {NAME}` asks again",
    ),
    "unreachable": (
        seen(job=a_job(failed=True), pods=(an_attempt(UNREACHABLE),)),
        "Unknown",
        "EngineUnreachable",
        "or lost it (no route)",
    ),
    "unreachable at first, then empty": (
        seen(
            job=a_job(),
            pods=(an_attempt(EMPTY), an_attempt(UNREACHABLE, created=A_MINUTE_AGO)),
        ),
        "False",
        "EmptyAnswers",
        "15 of 16",
    ),
    "a program that broke": (
        seen(
            job=a_job(failed=True, failure="status 1"),
            pods=(an_attempt(message="Traceback"),),
        ),
        "Unknown",
        "NoResult",
        "status 1",
    ),
    "a report of nothing": (
        seen(
            job=a_job(failed=True),
            pods=(an_attempt(Report(concurrency=1, timeout_seconds=1, replicas=())),),
        ),
        "Unknown",
        "NoResult",
        "without a result",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_said(case: str) -> None:
    found, status, reason, says = SAID[case]

    verdict = verification_verdict(found, NOW)

    assert (verdict.state is State.FAILED, verdict.state is State.SERVING) == (status == "False", status == "True")
    assert verdict.reason == reason
    assert says in verdict.message


@pytest.mark.parametrize(
    ("case", "ready", "reason"),
    [
        ("no Job yet", "Unknown", "AwaitingReplicas"),
        ("under way", "Unknown", "Verifying"),
        ("unreachable", "Unknown", "EngineUnreachable"),
        ("empty answers", "False", "EmptyAnswers"),
        ("a refused Job", "False", "NotAllowed"),
        ("all answered", "True", "Serving"),
        ("no replica", "True", "Serving"),
    ],
)
def test_ready_waits_for_it_and_the_replicas_do_not(case: str, ready: str, reason: str) -> None:
    view = ServiceView(cloud=Workload(deployment=a_deployment(ready=1)), verified=SAID[case][0])

    told = {each.type: each for each in inference_service_status(an_inference_service(), view, NOW).conditions}

    assert (told["Ready"].status, told["Ready"].reason) == (ready, reason)
    assert (told["CloudReady"].status, told["CloudReady"].reason) == ("True", "Serving")
    assert told["Verified"].observed_generation == an_inference_service().metadata.generation
    assert told["Progressing"].status == ("True" if ready == "Unknown" else "False")


def test_what_the_replicas_lack_is_told_before_what_nobody_has_verified() -> None:
    view = ServiceView(cloud=Workload(deployment=a_deployment()), verified=seen())

    told = {each.type: each for each in inference_service_status(an_inference_service(), view, NOW).conditions}

    assert told["Ready"].reason == "RollingOut"


def test_without_verification_nothing_is_said_of_it() -> None:
    view = ServiceView(cloud=Workload(deployment=a_deployment(ready=1)))

    told = {each.type for each in inference_service_status(an_inference_service(), view, NOW).conditions}

    assert "Verified" not in told


# When it is repeated.

HERE = (a_replica(1),)
ELSEWHERE = (a_replica(2),)


def again(job: Job, *attempts: Pod, pods: tuple[Pod, ...] = HERE) -> Plan:
    return plan(*pods, found=seen(job=job, pods=attempts))


def test_what_is_verified_stays_so_whatever_becomes_of_the_replicas() -> None:
    """Scaling, a crash, a drained node: the same revision is not asked twice."""
    assert again(a_job(succeeded=True), pods=ELSEWHERE) == Plan(keeps=True)


def test_what_answered_badly_is_not_asked_again_by_itself() -> None:
    job = a_job(failed=True, ended=ELEVEN_MINUTES_AGO)
    assert again(job, an_attempt(EMPTY)) == Plan(keeps=True)
    assert again(job, an_attempt(EMPTY), pods=ELSEWHERE) == Plan(keeps=True)


def test_what_could_not_be_asked_is_asked_again_after_a_while() -> None:
    """Not at once, for the Job has just tried five times; and the wait is named, for no event tells of its end."""
    early = again(a_job(failed=True, ended=A_MINUTE_AGO), an_attempt(UNREACHABLE))
    assert early == Plan(keeps=True, again_after_seconds=AGAIN_SECONDS - 60)
    assert again(a_job(failed=True, ended=ELEVEN_MINUTES_AGO), an_attempt(UNREACHABLE)) == Plan()


def test_a_job_gives_way_when_one_that_it_was_to_ask_has_gone() -> None:
    assert again(a_job()) == Plan(keeps=True)
    assert again(a_job(), pods=ELSEWHERE) == Plan()
    assert again(a_job(failed=True, ended=A_MINUTE_AGO), an_attempt(UNREACHABLE), pods=ELSEWHERE) == Plan()


def test_a_replica_that_is_late_with_its_probe_has_not_gone() -> None:
    """Many requests at once may do that to it, and a Job made anew each time would never end."""
    assert again(a_job(), pods=(a_replica(1, ready=False),)) == Plan(keeps=True)
