"""What a download's containers said, as the status tells it."""

from dataclasses import replace
from typing import Any

import pytest

from edgeglm_api.download import MESSAGE_LIMIT, LastMessage, Outcome, read_last_message, write_last_message
from edgeglm_api.time_window import TimeWindow
from edgeglm_operator.observed import Container
from edgeglm_operator.reconcile.status.download import CURES, RETRY_SECONDS
from edgeglm_operator.reconcile.status.trouble import Expectation, Trouble, trouble_of
from tests.unit.operator.builders import NOW, a_pod

EXPECTED = Expectation(startup_seconds=1800, deadline_seconds=3600, logs="kubectl logs deploy/llm")
A_WHILE_AGO = "2026-11-22T11:55:00Z"


def said(outcome: Outcome, **rest: Any) -> str:
    return write_last_message(LastMessage(outcome=outcome, **rest)).decode()


def done(percent: int, message: str = "") -> Container:
    message = message or said(
        Outcome.DOWNLOADING, percent=percent, total_bytes=18_800_000_000, whole_by="2026-11-22T13:00:00Z"
    )
    return Container(name=f"download-{percent}", init=True, ended=True, ended_message=message)


def running(percent: int, **rest: Any) -> Container:
    fields: dict[str, Any] = {
        "name": f"download-{percent}",
        "init": True,
        "running": True,
        "running_since": A_WHILE_AGO,
    } | rest
    return Container(**fields)


def failed(message: str, **rest: Any) -> Container:
    return Container(name="download-25", init=True, ended=True, exit_code=1, ended_message=message, **rest)


def trouble(*containers: Container, **expected: Any) -> Trouble:
    engine = Container(name="engine", waiting_reason="PodInitializing")
    found = trouble_of(a_pod(*containers, engine), EXPECTED, NOW)
    assert found is not None
    return found


def test_the_percentage_and_the_end_are_told() -> None:
    found = trouble(done(10), done(25), running(50))
    assert found.reason == "Downloading"
    assert found.message == (
        "the model is downloading on node box-1: 25 % of 18.8 GB are there; at this pace all of it by"
        " 2026-11-22T13:00:00Z"
    )


@pytest.mark.parametrize(
    ("end", "told"), [("14:00", ""), ("11:00", "; it goes on when download.window opens, at 2026-11-23T10:00+00:00")]
)
def test_when_a_download_goes_on_is_told(end: str, told: str) -> None:
    expected = replace(EXPECTED, download_window=TimeWindow(start="10:00", end=end, time_zone="UTC"))
    found = trouble_of(a_pod(running(10), Container(name="engine", waiting_reason="PodInitializing")), expected, NOW)
    assert found is not None
    assert found.message.endswith(f"it has begun{told}")


def test_a_download_that_said_nothing_yet_has_begun() -> None:
    assert trouble(running(10)).message.endswith("it has begun")


def test_between_two_containers_nothing_is_guessed() -> None:
    assert trouble(done(10), Container(name="download-25", init=True)).reason == "Creating"


def test_a_cache_that_has_it_all_is_no_download() -> None:
    whole = said(Outcome.WHOLE, percent=100)
    assert trouble(*(done(percent, whole) for percent in (10, 25, 50, 75, 100))).reason == "Creating"


def test_what_another_brought_meanwhile_is_no_percentage() -> None:
    assert trouble(done(10, said(Outcome.WHOLE, percent=100)), running(25)).message.endswith("it has begun")


def test_an_adapter_on_its_way_is_told_by_its_name() -> None:
    adapter = Container(name="download-adapter-line-1", init=True, running=True, running_since=A_WHILE_AGO)
    whole = said(Outcome.WHOLE, percent=100)
    found = trouble(*(done(percent, whole) for percent in (10, 25, 50, 75, 100)), adapter)
    assert found.reason == "Downloading"
    assert found.message.endswith("all of it is there, and adapter line-1 is on its way")


@pytest.mark.parametrize("outcome", CURES)
def test_each_failure_has_a_reason_what_happened_and_what_helps(outcome: Outcome) -> None:
    found = trouble(done(10), failed(said(outcome, message="so it was")))
    assert found.reason == CURES[outcome].reason
    assert found.message == f"the download on node box-1 failed: so it was; {CURES[outcome].words}"


def test_every_outcome_is_either_good_or_has_its_cure() -> None:
    assert set(Outcome) - set(CURES) == {Outcome.WHOLE, Outcome.DOWNLOADING}
    assert len({cure.reason for cure in CURES.values()}) == len(CURES)


def test_a_failure_stands_until_another_try_has_lasted() -> None:
    told = said(Outcome.UNREACHABLE, message="nobody answers")
    just_now = running(25, ended=True, exit_code=1, ended_message=told, running_since=NOW)
    assert trouble(done(10), just_now).reason == "HubUnreachable"
    lasting = running(25, ended=True, exit_code=1, ended_message=told, running_since=A_WHILE_AGO)
    assert RETRY_SECONDS < 300
    assert trouble(done(10), lasting).message.startswith("the model is downloading on node box-1: 10 %")


def test_an_end_without_a_word_is_a_crash() -> None:
    found = trouble(failed("Traceback (most recent call last):\nMemoryError"))
    assert (found.reason, "MemoryError" in found.message) == ("CrashLoop", True)


def test_the_words_of_the_engine_are_never_taken_for_a_download() -> None:
    engine = Container(name="engine", ended=True, exit_code=1, ended_message=said(Outcome.DISK_FULL, message="x"))
    found = trouble_of(a_pod(engine), EXPECTED, NOW)
    assert found is not None
    assert found.reason == "CrashLoop"


def test_a_missing_claim_of_the_cache_is_told() -> None:
    expected = Expectation(startup_seconds=1800, deadline_seconds=3600, logs="…", cache_claim="models")
    pod = a_pod(
        scheduled=False,
        node="",
        scheduling_message='0/2 nodes are available: persistentvolumeclaim "models" not found.',
    )
    found = trouble_of(pod, expected, NOW)
    assert found is not None
    assert (found.reason, "spec.cloud.cache.pvc" in found.message) == ("CacheMissing", True)


@pytest.mark.parametrize("character", ["a", '"', "ü", "😀", "\x01"])
def test_a_last_message_fits_what_the_kubelet_keeps(character: str) -> None:
    long = write_last_message(LastMessage(outcome=Outcome.NOT_FOUND, message=character * 5000))
    assert len(long) <= 4096
    assert read_last_message(long.decode()) == LastMessage(outcome=Outcome.NOT_FOUND, message=character * MESSAGE_LIMIT)


def test_other_last_words_are_none_of_a_download() -> None:
    assert read_last_message("") is None
    assert read_last_message('{"outcome": "Unheard"}') is None
