"""`edgeglm verify` against a real HTTP server that plays an engine: well, or with the known failure, or worse."""

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeglm_api.verification import ReplicaReport, Report
from edgeglm_operator.cli import main
from edgeglm_operator.observed import MESSAGE_LIMIT
from edgeglm_operator.resources.verification_job import MAX_REPLICAS, replica_url
from edgeglm_operator.verification.judge import Ending, Outcome, first_words
from tests.edge.stub_engine import Script, Scripted, StubEngine

Start = Callable[[Script], StubEngine]


@pytest.fixture
def engine() -> Iterator[Start]:
    """Starts an engine that answers as it is told."""
    started: list[StubEngine] = []

    def start(script: Script) -> StubEngine:
        made = StubEngine(script)
        made.start()
        started.append(made)
        return made

    yield start
    for each in started:
        each.stop()


Verify = Callable[..., tuple[int, str]]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    """Runs the program; its exit status and what it says."""

    def run(*engines: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
        urls = (f"--url={url.removesuffix('/v1')}" for url in engines)
        status = main(["verify", "--model=llm", *urls, *options])
        return status, capsys.readouterr().out

    return run


def well(_body: dict[str, Any]) -> Scripted:
    return Scripted("seven")


def only_the_first() -> Script:
    """The known failure: the first of several parallel requests has text, the others have status 200 and nothing."""
    numbers = itertools.count()
    return lambda _body: Scripted("seven" if next(numbers) == 0 else "")


def test_an_engine_that_answers_all_is_verified(engine: Start, verify: Verify, tmp_path: Path) -> None:
    first, second = engine(well), engine(well)

    status, said = verify(first.url, second.url, options=("--concurrency=16", f"--report={tmp_path / 'report'}"))

    assert status == 0
    assert "each of the 2 replicas answered 16 parallel requests" in said
    report = msgspec.json.decode((tmp_path / "report").read_bytes(), type=Report)
    assert [replica.answered for replica in report.replicas] == [16, 16]
    assert len(first.asked) == len(second.asked) == 16
    assert {body["model"] for body in first.asked} == {"llm"}
    assert not any("seed" in body for body in first.asked)


def test_answers_that_come_back_empty_but_for_the_first_are_told(engine: Start, verify: Verify) -> None:
    status, said = verify(engine(only_the_first()).url, options=("--concurrency=16",))

    assert status == 1
    assert said.startswith("EmptyAnswers: 15 of 16 parallel requests came back empty")


def test_the_replica_that_fails_is_named(engine: Start, verify: Verify) -> None:
    bad = engine(only_the_first())

    status, said = verify(engine(well).url, bad.url, options=("--concurrency=4",))

    assert status == 1
    assert "3 of 4 parallel requests came back empty" in said
    assert f"at 1 of 2 replicas, {bad.url.removesuffix('/v1')} the worst" in said


def test_all_requests_are_under_way_at_once(engine: Start, verify: Verify) -> None:
    """One after the other they would show nothing. This engine answers none before all have come."""
    stub = engine(well)
    stub.together = 200

    status, _ = verify(stub.url, options=("--concurrency=200", "--timeout-seconds=30"))

    assert (status, len(stub.asked)) == (0, 200)


ENDINGS: dict[str, tuple[Scripted, int, str]] = {
    "text": (Scripted("seven"), 0, "Verified"),
    "thoughts alone": (Scripted(None, reasoning="the user wants"), 0, "Verified"),
    "thoughts, in the older field": (Scripted(None, reasoning_content="the user wants"), 0, "Verified"),
    "blanks": (Scripted(" \n"), 1, "EmptyAnswers"),
    "no content": (Scripted(None), 1, "EmptyAnswers"),
    "an error": (Scripted("it broke", status=500), 1, "FailedAnswers: 3 of 3 parallel requests failed (status 500"),
    "a key that does not open": (Scripted("who?", status=401), 1, "FailedAnswers: 3 of 3 parallel requests failed"),
    "silence": (Scripted("seven", delay=20), 1, "LateAnswers: 3 of 3 parallel requests had no answer"),
    "full": (Scripted("busy", status=503), 3, "EngineBusy: 3 of 3 parallel requests were turned away for now"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_way_to_end_has_a_word_and_a_status(engine: Start, verify: Verify, ending: str) -> None:
    scripted, wanted, says = ENDINGS[ending]

    status, said = verify(engine(lambda _body: scripted).url, options=("--concurrency=3", "--timeout-seconds=3"))

    assert said.startswith(says)
    assert status == wanted


def test_an_engine_that_is_not_there_is_not_known(verify: Verify, free_port: int) -> None:
    status, said = verify(f"http://127.0.0.1:{free_port}", options=("--concurrency=2",))

    assert status == 3
    assert said.startswith("EngineUnreachable: 2 of 2 parallel requests got no connection")


def test_an_answer_that_breaks_off_is_not_known(verify: Verify, free_port: int) -> None:
    """As of a replica that is evicted meanwhile: nothing is proved by it."""

    def break_off(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        connection.close()

    with socket.create_server(("127.0.0.1", free_port)) as server:
        engine = threading.Thread(target=break_off, args=(server,))
        engine.start()
        status, said = verify(f"http://127.0.0.1:{free_port}", options=("--concurrency=1",))
        engine.join()

    assert status == 3
    assert said.startswith("EngineUnreachable")


def test_the_key_comes_from_the_environment(engine: Start, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sees a pod or a process sees its arguments."""
    with_key, without = engine(well), engine(well)

    verify(without.url, options=("--concurrency=1",))
    monkeypatch.setenv("EDGEGLM_API_KEY", "s3cret")
    verify(with_key.url, options=("--concurrency=1",))

    assert (with_key.keys, without.keys) == (["Bearer s3cret"], [None])


@pytest.mark.parametrize("bad", ["--concurrency=0", "--concurrency=many", "--timeout-seconds=0"])
def test_bad_input_has_a_status_of_its_own(verify: Verify, bad: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        verify("http://127.0.0.1:1", options=(bad,))


@pytest.mark.parametrize("said", ["x", '"', "\u00e9", "\U0001f525", "\x00", "\n\t"])
def test_the_report_of_as_many_replicas_as_are_asked_fits_into_a_termination_message(said: str) -> None:
    """The kubelet cuts it after 4096 bytes, and half a report is none."""
    url = replica_url("2001:0db8:85a3:0000:0000:8a2e:0370:7334")
    counts = dict.fromkeys((ending.value for ending in Ending), 256)
    replica = ReplicaReport(url=url, **counts, median_milliseconds=300_000, slowest_milliseconds=300_000)
    words = first_words([Outcome(Ending.FAILED, said=said * 1000)])
    report = Report(concurrency=256, timeout_seconds=300, replicas=(replica,) * MAX_REPLICAS, said=words)
    assert len(msgspec.json.encode(report)) <= MESSAGE_LIMIT


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
