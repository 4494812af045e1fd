"""What must not cost a message or contradict an answer: kills, restarts, cuts, strangers and full disks."""

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.moment import rfc3339
from edgeglm_api.bundle import Reasoning
from edgeglm_api.sensor_graph import Findings, Question
from tests.edge.agent_process import AgentProcess, wait_for
from tests.edge.bundles import a_graph, a_source
from tests.edge.conftest import EdgeSite, each_way
from tests.edge.fault_report import Recovery
from tests.edge.stream import Stream, recent
from tests.edge.stub_engine import Scripted, obedient

pytestmark = pytest.mark.broker


ALWAYS_NEWS = Findings(remind_every_seconds=1)
"""A finding that goes on is told in every window."""


def assert_all_told(site: EdgeSite, stream: Stream, answers: "list[tuple[str, str, str]]", sent: int) -> None:
    assert site.agent.received() == sent
    assert sorted(answers) == sorted(stream.expected), "each bad window is answered once"
    site.agent.assert_books_balance()


KILLS = int(os.environ.get("EDGEGLM_KILLS", "20"))
"""`make faults` has more of them."""


@pytest.mark.timeout(120 + 15 * KILLS)
@each_way
def test_kills_in_mid_stream_lose_nothing_and_never_contradict(site: EdgeSite, receive: str) -> None:
    """Kills at random moments, of which many fall between a commit and its acknowledgement."""
    kills = KILLS if receive == "Each" else KILLS // 2
    site.agent.configure(site.bundle(a_graph()))
    site.agent.start()
    listener = site.listener()
    sensors = site.sensors()
    seconds = 5 * kills
    stream = Stream(sensors, recent(seconds + 60), seconds, pause=0.2)
    stream.start()
    moments = random.Random(7)  # noqa: S311 - the same moments again
    recovery = Recovery(f"kill -9 of the agent in mid-stream, {kills} times, taking {receive.lower()}")

    for _ in range(kills):
        time.sleep(moments.uniform(0.02, 0.6))
        site.agent.kill()
        with recovery:
            site.agent.start()
    stream.join(600)
    wait_for(lambda: site.agent.received() == sensors.published and site.agent.settled(), "not settled", seconds=120)
    wait_for(lambda: len(listener.windows()) >= len(stream.expected), "answers are missing")

    listener.assert_no_contradiction()
    assert_all_told(site, stream, listener.windows(), sensors.published)
    recovery.tell(messages=sensors.published, lost=0, answers=len(listener.bodies), contradictions=0)


def connects(site: EdgeSite) -> int:
    (broker,) = site.agent.status()["brokers"]
    return int(broker["connects"])


@each_way
def test_a_restart_of_the_broker_loses_nothing(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    listener = site.listener()
    sensors = site.sensors()
    stream = Stream(sensors, recent(), 60, pause=0.05)
    stream.start()
    wait_for(lambda: site.agent.received() > 500, "nothing comes")
    with stream.gate:
        # What a sensor sends twice because the broker's word was lost, is two messages to everybody behind the broker.
        sensors.flush()
        site.broker.restart()
        recovery = Recovery("a restart of the broker, with persistence, until the agent listens again")
        with recovery:
            wait_for(lambda: connects(site) == 2 and site.agent.listens(), "does not come back")
        wait_for(sensors.client.is_connected, "the sensors do not come back")
    stream.join(60)
    wait_for(lambda: site.agent.received() == sensors.published and site.agent.settled(), "not settled", seconds=60)

    (broker,) = site.agent.status()["brokers"]
    assert broker["sessionsLost"] == 0
    wait_for(site.agent.settled, "not settled")
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    assert site.agent.status()["books"]["answers"]["line-1"]["Ok"] == len(stream.expected)
    recovery.tell(messages=sensors.published, lost=0, contradictions=0)


def test_an_engine_that_is_away_is_asked_when_it_is_back(site: EdgeSite) -> None:
    site.engine.stop()
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    stream = Stream(sensors, recent(60), 30)
    stream.start()
    stream.join(30)
    wait_for(lambda: site.agent.status()["spool"]["waiting"] == len(stream.expected), "requests do not wait")
    assert listener.answers == []

    site.engine.start()
    wait_for(lambda: len(listener.windows()) == len(stream.expected), "not answered after the engine came back")
    wait_for(site.agent.settled, "not settled")

    listener.assert_no_contradiction()
    assert_all_told(site, stream, listener.windows(), sensors.published)


def test_what_nobody_could_be_asked_about_in_time_is_told_as_expired_in_one_answer(site: EdgeSite) -> None:
    site.engine.stop()
    patience = Reasoning(
        route="EdgeOnly", endpoints=("engine",), attempt_timeout_seconds=1, fresh_for_seconds=1, max_tokens=64
    )
    always = a_graph(reasoning=patience, question=Question())
    site.agent.configure(site.bundle(always))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = recent()
    for second in range(40):
        sensors.send(start + second, 2.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 40 and site.agent.settled(), "not settled")

    assert {answer["status"] for answer in listener.answers} == {"Expired"}
    assert len(listener.answers) < 40, "stale windows are summarised"
    covered = sum(
        _seconds_between(span["start"], span["end"]) for answer in listener.answers for span in answer["windows"]
    )
    assert covered == 40
    site.agent.assert_books_balance()


def test_a_busy_engine_and_one_that_talks_nonsense_are_told_apart(site: EdgeSite) -> None:
    """First 503, then rubbish, then sense: the request waits, is repaired, and is answered."""
    scripts = iter([Scripted("busy", status=503), Scripted("I think that..."), None])
    site.engine.script = lambda body: next(scripts, None) or obedient(body)
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = recent()
    for second in range(6):
        sensors.send(start + second, 12.0 if second == 2 else 2.0)
    sensors.flush()
    wait_for(lambda: len(listener.asked) == 1, "no answer")

    (answer,) = listener.asked
    assert answer["status"] == "Ok"
    assert answer["validation"]["repaired"] is True
    assert answer["model"]["attempts"] == 2


def test_a_broken_bundle_changes_nothing(site: EdgeSite) -> None:
    good = site.bundle()
    site.agent.configure(good)
    site.agent.start()
    before = site.agent.status()["bundle"]
    sensors = site.sensors()

    (site.agent.bundle_folder / "bundle.json").write_bytes(b'{"apiVersion":')
    wait_for(lambda: site.agent.status()["bundle"]["verdict"] == "Rejected", "not rejected")
    rejected = site.agent.status()
    sensors.send(recent(), 2.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 1, "no longer listening")

    assert rejected["bundle"]["generation"] == before["generation"]
    assert rejected["bundle"]["sha256"] == before["sha256"]
    assert rejected["bundle"]["reason"] == "Malformed"
    assert rejected["rejections"] == {"Malformed": 1}

    site.agent.kill()
    site.agent.start()
    assert site.agent.status()["bundle"]["sha256"] == before["sha256"], "it starts with the last good one"

    site.agent.configure(msgspec.structs.replace(good, generation=2))
    wait_for(lambda: site.agent.status()["bundle"]["generation"] == 2, "the mended one is not applied")
    assert site.agent.status()["bundle"]["verdict"] == "Applied"


def test_an_older_generation_is_refused(site: EdgeSite) -> None:
    site.agent.configure(site.bundle(generation=5))
    site.agent.start()
    site.agent.configure(site.bundle(generation=4))

    wait_for(lambda: site.agent.status()["bundle"]["reason"] == "GenerationWentDown", "taken")
    assert site.agent.status()["bundle"]["generation"] == 5


def test_changed_rules_hold_from_the_next_window_and_lose_no_reading(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = recent()
    sensors.send(start + 0.1, 12.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 1, "not received")

    longer = msgspec.structs.replace(a_graph().window, size_seconds=5)
    site.agent.configure(site.bundle(a_graph(window=longer, findings=ALWAYS_NEWS), generation=2))
    wait_for(lambda: site.agent.status()["bundle"]["generation"] == 2, "not applied")
    for second in range(20):
        sensors.send(start + second + 0.5, 12.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 21 and site.agent.settled(), "not settled")

    old, *new = [answer["windows"][0] for answer in listener.answers]
    assert old == {"start": rfc3339(start * 10**9), "end": rfc3339((start + 1) * 10**9)}
    assert new, "nothing under the new rules"
    assert new[0]["start"] == old["end"], "no gap, no overlap"
    assert {int(span["end"][17:19]) % 5 for span in new} == {0}
    site.agent.assert_books_balance()


def test_a_removed_graph_drains_and_stops(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    sensors.send(recent(), 12.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 1, "not received")

    empty = msgspec.structs.replace(site.bundle(), graphs=(), generation=2)
    site.agent.configure(empty)

    wait_for(lambda: len(listener.asked) == 1, "the open window is not told")
    wait_for(site.agent.settled, "not settled")
    site.agent.assert_books_balance()


def test_a_topic_that_is_no_longer_wanted_is_left_even_by_a_session_that_was_kept(site: EdgeSite) -> None:
    """The bundle changes while the agent is down; the broker still holds the old filter in its session."""
    site.agent.configure(site.bundle())
    site.agent.start()
    site.agent.stop()
    sensors = site.sensors()
    other = a_source(topic="hall/{line}/{machine}/vibration")
    site.agent.configure(site.bundle(a_graph(sources=(other,)), generation=2))
    site.agent.start()
    (kept,) = site.agent.data.glob("*/subscriptions.json")
    wait_for(lambda: json.loads(kept.read_text()) == {site.broker.url: ["hall/+/+/vibration"]}, "still held")

    sensors.send(recent(), 2.0)
    sensors.raw("hall/l1/m1/vibration", json.dumps({"ts": recent(), "rms": 2.0}).encode())
    sensors.flush()
    wait_for(lambda: site.agent.received() == 1, "does not hear the new topic")
    assert [book["graph"] for book in site.agent.status()["books"]["sources"]] == ["line-1"], "nothing came unmatched"


@each_way
def test_a_thousand_hostile_payloads_change_nothing_but_counters(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = recent(60)
    strange = random.Random(3)  # noqa: S311 - the same strangers again
    for number, payload in zip(range(1000), _hostile(strange, start), strict=False):
        sensors.raw(_hostile_topic(number), payload)
    for second in range(6):
        sensors.send(start + second, 12.0 if second == 2 else 2.0)
    sensors.flush()
    wait_for(lambda: len(listener.asked) == 1 and site.agent.settled(), "no answer after the storm")

    wait_for(lambda: _all_received(site.agent) == sensors.published, "not all received")
    books = site.agent.status()["books"]["sources"]
    assert sum(sum(book["dead"].values()) for book in books) == 1000
    assert site.agent.status()["faults"] == 0
    site.agent.assert_books_balance()
    assert {answer["partition"] for answer in listener.answers} == {"l1"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB; needs root."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["/usr/bin/mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.decode().strip()}; run as root")
    yield place
    subprocess.run(["/usr/bin/umount", "-l", str(place)], check=True)


def test_a_full_disk_stops_acknowledging_loses_nothing_and_recovers(site: EdgeSite, small_disk: Path) -> None:
    site.agent.data = small_disk / "data"
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(20 * 1024 * 1024))
    _fill(ballast)

    stream = Stream(sensors, recent(), 150)
    stream.start()
    wait_for(lambda: site.agent.status()["spool"]["blocked"] != "", "goes on writing")
    assert site.agent.get("/livez") == b"ok\n", "blocked is not dead"
    stream.join(30)
    ballast.unlink()
    recovery = Recovery("a full disk, until there is room again")
    with recovery:
        wait_for(
            lambda: site.agent.received() == sensors.published and site.agent.settled(), "does not recover", seconds=60
        )
    wait_for(lambda: len(listener.windows()) >= len(stream.expected), "answers are missing")

    assert site.agent.status()["spool"]["blocked"] == ""
    assert_all_told(site, stream, listener.windows(), sensors.published)
    recovery.tell(messages=sensors.published, lost=0)


@each_way
def test_a_flood_that_the_protocol_does_not_bound_makes_it_leave_and_come_back(
    site: EdgeSite, small_disk: Path
) -> None:
    """QoS 0 knows no window, and old brokers do not keep theirs; the hand-off has a bound of its own."""
    site.agent.data = small_disk / "data"
    site.agent.configure(site.bundle())
    site.agent.start()
    sensors = site.sensors()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(20 * 1024 * 1024))
    _fill(ballast)
    payload = json.dumps({"ts": recent(), "rms": 2.0}).encode()
    for _ in range(6000):
        sensors.client.publish("plant/l1/m1/vibration", payload, qos=0)
    wait_for(lambda: not site.agent.listens(), "does not leave, though the hand-off is full")
    assert site.agent.get("/livez") == b"ok\n"

    ballast.unlink()
    wait_for(site.agent.listens, "does not come back")
    before = site.agent.received()
    sensors.send(recent(), 2.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() > before, "does not hear")
    site.agent.assert_books_balance()


def test_a_damaged_ledger_is_set_aside_and_the_work_goes_on(site: EdgeSite) -> None:
    site.agent.configure(site.bundle())
    site.agent.start()
    sensors = site.sensors()
    sensors.send(recent(), 2.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 1, "not received")
    site.agent.stop()
    (ledger,) = site.agent.data.glob("*/ledger.db")
    ledger.write_bytes(b"this is no database" * 1000)

    site.agent.start()
    listener = site.listener()
    start = recent(60)
    for second in range(6):
        sensors.send(start + second, 12.0 if second == 2 else 2.0)
    sensors.flush()
    wait_for(lambda: len(listener.asked) == 1, "no answer")

    assert site.agent.status()["spool"]["revision"] == 1
    assert list(ledger.parent.glob("ledger.db.corrupt-1"))
    site.agent.assert_books_balance()


def _all_received(agent: AgentProcess) -> int:
    return sum(book["received"] - book["duplicate"] for book in agent.status()["books"]["sources"])


def _hostile_topic(number: int) -> str:
    return f"plant/l1/m{number % 3}/vibration"


def _hostile(strange: random.Random, now: int) -> Iterator[bytes]:
    """Payloads that no source can use, of every kind that we could think of, over and over."""
    while True:
        yield b""
        yield b"\x00\xff\xfe" + strange.randbytes(20)
        yield b"{" * 5000
        yield b"[" * 200_000
        yield b'{"ts": %d, "rms": NaN}' % now
        yield b'{"ts": %d, "rms": Infinity}' % now
        yield b'{"ts": %d, "rms": 1e999}' % now
        yield b'{"ts": %d, "rms": %s}' % (now, b"9" * 5000)
        yield b'{"ts": %d, "rms": true}' % now
        yield b'{"ts": %d, "rms": "12"}' % now
        yield b'{"ts": %d, "rms": -1}' % now
        yield b'{"ts": %d, "rms": 51}' % now
        yield b'{"ts": %d, "rms": 2, "rms": 12}' % now
        yield b'{"ts": "%d", "rms": 2}' % now
        yield b'{"ts": %d, "rms": 2}' % (now + 86_400)
        yield b'{"ts": 12, "rms": 2}'
        yield b'{"ts": -1e300, "rms": 2}'
        yield b'{"rms": 2}'
        yield b'{"ts": %d}' % now
        yield b"[]"
        yield b"null"
        yield b'"\\ud800"'
        yield json.dumps({"ts": now, "rms": {"rms": 2}}).encode()
        yield b'{"ts": %d, "rms": 2, "x": "%s"}' % (now, b"a" * 300_000)


def _fill(beside: Path) -> None:
    """Take what is left of the disk, but for a few pages."""
    with beside.open("ab") as file:
        try:
            while True:
                file.write(bytes(65536))
                file.flush()
        except OSError:
            return


def _seconds_between(start: str, end: str) -> int:
    def seconds(moment: str) -> int:
        hours, minutes, rest = moment[11:-1].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + int(float(rest))

    return (seconds(end) - seconds(start)) % 86_400
