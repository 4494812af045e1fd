"""Clocks that are wrong: the agent's own, one sensor's; and a gateway that sends hours at once."""

from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pytest

from edgeglm_api.bundle import Graph, Limits
from edgeglm_api.sensor_graph import Question, When
from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph
from tests.edge.conftest import EdgeSite
from tests.edge.fault_report import Recovery
from tests.edge.stream import Stream, recent
from tests.edge.wall_clock import WallClock

pytestmark = pytest.mark.broker

HOUR: Final = 3600
Late = Literal["Drop", "Backfill", "Revise"]


def jump_seconds(site: EdgeSite) -> int:
    found: int = site.agent.told()["clockJumpSeconds"]
    return found


def started_patiently(site: EdgeSite, folder: Path) -> WallClock:
    """Start the agent with answers that stay fresh for long; return its clock."""
    clock = WallClock(folder, site.agent)
    patient = msgspec.structs.replace(a_graph().reasoning, fresh_for_seconds=3000)
    site.agent.configure(site.bundle(a_graph(reasoning=patient)))
    site.agent.start()
    return clock


def assert_as_the_oracle_says(site: EdgeSite, stream: Stream, listener: Any, sent: int) -> None:
    """Each reading is in a window, each bad window was asked about once, and nobody was told that it was too late."""
    (book,) = site.agent.told()["books"]["sources"]
    assert (book["windowed"], book["late"], book["dead"]) == (sent, 0, {})
    wait_for(lambda: set(listener.windows()) >= stream.expected, "answers are missing")
    assert sorted(listener.windows()) == sorted(stream.expected)
    assert {answer["status"] for answer in listener.asked} == {"Ok"}
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("hours", [1, -1])
def test_a_jump_of_the_agents_clock_that_the_readings_do_not_bear_out_changes_nothing(
    site: EdgeSite, tmp_path: Path, hours: int
) -> None:
    """In mid-stream, and back again: as a time server does that somebody has set wrong."""
    clock = started_patiently(site, tmp_path)
    listener, sensors = site.listener(), site.sensors()
    stream = Stream(sensors, recent(900), 800, pause=0.1)
    recovery = Recovery(f"the agent's clock jumps by {hours:+} h in mid-stream, and back")
    stream.start()
    wait_for(lambda: site.agent.received() > 500, "nothing comes")
    clock.set(off_by_seconds=hours * HOUR)
    wait_for(lambda: round(jump_seconds(site) / HOUR) == hours, "does not notice")
    wait_for(lambda: "the readings do not bear it out" in site.agent.log.read_text(), "does not ask the readings")
    told = len(listener.asked)
    wait_for(lambda: len(listener.asked) >= told + 4, "does not go on telling")
    stream.enough.set()
    stream.join(60)
    with recovery:
        wait_for(lambda: site.agent.received() == sensors.published and site.agent.settled(), "not settled")
    clock.set(off_by_seconds=0)
    wait_for(lambda: jump_seconds(site) == 0, "does not notice that it is right again")

    assert_as_the_oracle_says(site, stream, listener, sensors.published)
    recovery.tell(messages=sensors.published, lost=0, late=0, expired=0, contradictions=0)


@pytest.mark.timeout(240)
def test_a_clock_that_is_set_right_is_followed(site: EdgeSite, tmp_path: Path) -> None:
    """It was an hour ahead, so all was too late; the readings bear out that it is right now."""
    clock = WallClock(tmp_path, site.agent)
    clock.set(off_by_seconds=HOUR)
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = recent(900)
    for second in range(20):
        sensors.send(start + second, 12.0 if second == 5 else 2.0)
    sensors.flush()
    wait_for(lambda: [answer["status"] for answer in listener.asked] == ["Expired"], "not told as too late")

    clock.set(off_by_seconds=0)
    meanwhile = Stream(sensors, start + 20, 580, pause=0.1)
    recovery = Recovery("the agent's clock was 1 h ahead and is set right in mid-stream")
    with recovery:
        meanwhile.start()
        wait_for(lambda: "the clock is set by -3600 s" in site.agent.log.read_text(), "does not follow")
    meanwhile.enough.set()
    meanwhile.join(60)
    after = Stream(sensors, start + 700, 30)
    after.start()
    after.join(60)
    wait_for(lambda: site.agent.received() == sensors.published and site.agent.settled(), "not settled")
    wait_for(lambda: set(listener.windows()) >= after.expected, "answers are missing")

    assert jump_seconds(site) == 0
    begun = {begin for _, begin, _ in after.expected}
    told = [answer for answer in listener.asked if begun & {span["start"] for span in answer["windows"]}]
    assert {answer["status"] for answer in told} == {"Ok"}
    (book,) = site.agent.told()["books"]["sources"]
    assert (book["windowed"], book["late"], book["dead"]) == (sensors.published, 0, {})
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    recovery.tell(messages=sensors.published, lost=0, late=0, contradictions=0)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("off_by_seconds", [-50 * 365 * 24 * HOUR])
def test_a_machine_that_starts_in_another_year_serves_again_once_its_clock_is_set(
    site: EdgeSite, tmp_path: Path, off_by_seconds: int
) -> None:
    """As a gateway without a battery: what comes before its time server is set aside and kept, and nothing else."""
    clock = started_patiently(site, tmp_path)
    listener, sensors = site.listener(), site.sensors()
    start = recent(600)
    before = Stream(sensors, start, 20)
    before.start()
    before.join(60)
    wait_for(lambda: site.agent.received() == sensors.published and site.agent.settled(), "not settled")
    known = sensors.published
    site.agent.kill()
    clock.set(off_by_seconds=off_by_seconds)
    site.agent.start()
    for second in range(20):
        sensors.send(start + 20 + second, 2.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == sensors.published, "not received")
    (book,) = site.agent.told()["books"]["sources"]
    assert (book["dead"], book["received"]) == ({"skew": sensors.published - known}, sensors.published)

    clock.set(off_by_seconds=0)
    recovery = Recovery(f"killed, started with the clock off by {off_by_seconds} s, and the clock is set right")
    with recovery:
        followed = f"the clock is set by {-off_by_seconds:+d} s"
        moments = iter(range(start + 40, start + 400))

        def followed_what_is_refused() -> bool:
            sensors.send(next(moments), 2.0)
            sensors.flush()
            return followed in site.agent.log.read_text()

        wait_for(followed_what_is_refused, "does not follow", seconds=120)
    wait_for(lambda: site.agent.received() == sensors.published, "not received")
    dead = site.agent.told()["books"]["sources"][0]["dead"]["skew"]
    assert dead >= 20
    after = Stream(sensors, start + 500, 30)
    after.start()
    after.join(60)
    wait_for(lambda: site.agent.received() == sensors.published and site.agent.settled(), "not settled")
    wait_for(lambda: set(listener.windows()) >= before.expected | after.expected, "answers are missing")

    assert {answer["status"] for answer in listener.asked} == {"Ok"}
    (book,) = site.agent.told()["books"]["sources"]
    assert (book["windowed"], book["late"], book["dead"]) == (sensors.published - dead, 0, {"skew": dead})
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    recovery.tell(messages=sensors.published, deadLetters=dead, lost=0, late=0, contradictions=0)


@pytest.mark.timeout(240)
def test_one_fast_clock_is_set_aside_and_holds_nobody_up(site: EdgeSite) -> None:
    """A sensor an hour ahead: its readings are dead letters, and windows close as if it were not there."""
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors, fast = site.listener(), site.sensors(), site.sensors("fast")
    start = recent(60)
    stream = Stream(sensors, start, 60, pause=0.05)
    recovery = Recovery("one sensor's clock an hour ahead, until all others' windows are told")
    with recovery:
        stream.start()
        for second in range(60):
            fast.send(start + second + HOUR, 12.0, machine="m9")
        fast.flush()
        stream.join(60)
        sent = sensors.published + fast.published
        wait_for(lambda: site.agent.received() == sent and site.agent.settled(), "not settled")
    wait_for(lambda: len(listener.windows()) >= len(stream.expected), "answers are missing")

    (book,) = site.agent.told()["books"]["sources"]
    assert (book["windowed"], book["late"], book["dead"]) == (sensors.published, 0, {"skew": fast.published})
    assert sorted(listener.windows()) == sorted(stream.expected)
    assert {answer["status"] for answer in listener.asked} == {"Ok"}
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    recovery.tell(messages=sent, deadLetters=fast.published, lost=0, late=0, contradictions=0)


OLD_WINDOWS: Final = 36
OLD_SECONDS: Final = 180
"""Between two of them."""
LIVE_WINDOWS: Final = 9
LIVE_LINES: Final = 8


def a_graph_of_minutes(late: Late) -> Graph:
    """A window is a minute; what is older than an hour is asked about when there is time."""
    plain = a_graph()
    within = None if late == "Drop" else 2 * HOUR
    return msgspec.structs.replace(
        plain,
        window=msgspec.structs.replace(plain.window, size_seconds=60, late=late, late_within_seconds=within),
        question=Question(when=When(detectors=("Limit",))),
        reasoning=msgspec.structs.replace(plain.reasoning, fresh_for_seconds=HOUR, after_fresh="AnswerAll"),
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("late", ["Drop", "Backfill", "Revise"])
def test_hours_that_a_gateway_sends_at_once_leave_live_work_its_place(site: EdgeSite, late: Late) -> None:
    """Of a machine in a line whose windows are closed, beside lines that are live; and the engine has one place."""
    site.agent.configure(
        site.bundle(a_graph_of_minutes(late), limits=Limits(spool_max_bytes=1 << 30, max_concurrency=1))
    )
    site.engine.stop()
    site.agent.start()
    listener, sensors, gateway = site.listener(), site.sensors(), site.sensors("gateway")
    now = recent(0) // 60 * 60
    old = now - 3 * HOUR
    for number in range(OLD_WINDOWS + 1):
        sensors.send(old + number * OLD_SECONDS + 1, 2.0, line="l0")
    sensors.flush()
    wait_for(lambda: site.agent.received() == sensors.published, "not received")

    recovery = Recovery(f"a gateway sends nearly two hours at once beside live work, late {late}")
    for number in range(OLD_WINDOWS):
        gateway.send(old + number * OLD_SECONDS + 30, 9.0, line="l0", machine="g1")
    gateway.flush()
    sensors.send(now - 61, 2.0, line="l0")
    for minute in range(LIVE_WINDOWS):
        for line in range(1, LIVE_LINES + 1):
            sensors.send(now - (LIVE_WINDOWS + 1 - minute) * 60 + 1, 9.0, line=f"l{line}")
    sensors.flush()
    old_questions = OLD_WINDOWS if late == "Revise" else 0
    questions = LIVE_LINES * LIVE_WINDOWS + old_questions
    wait_for(lambda: site.agent.told()["spool"]["waiting"] == questions, "not all questions wait")
    site.engine.start()
    sent = sensors.published + gateway.published
    with recovery:
        wait_for(lambda: site.agent.received() == sent and site.agent.settled(), "not settled", seconds=120)

    assert {answer["status"] for answer in listener.asked} == {"Ok"}
    (book,) = site.agent.told()["books"]["sources"]
    windows = site.agent.told()["books"]["windows"]["line-1"]
    told_late = {"Drop": book["late"], "Backfill": book["backfilled"], "Revise": windows.get("revised", 0)}[late]
    assert told_late == OLD_WINDOWS
    asked_of = ["g1" in body["messages"][1]["content"] for body in site.engine.asked]
    assert (len(asked_of), asked_of.count(True)) == (questions, old_questions)
    while_live_waited = asked_of[: len(asked_of) - asked_of[::-1].index(False)]
    # Three turns in ten are of old news; where a round of ten is broken off, all three may have been.
    assert while_live_waited.count(False) >= 0.7 * (len(while_live_waited) - 3)
    share = while_live_waited.count(False) / len(while_live_waited)
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    recovery.tell(messages=sent, late=told_late, liveShare=round(share, 2), lost=0, contradictions=0)
