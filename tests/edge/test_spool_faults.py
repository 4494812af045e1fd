"""The spool under faults: full under each policy, without power, damaged. The books balance after each."""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from edgeglm_api.bundle import Graph, Limits, Reasoning
from edgeglm_api.edge_site import Sync
from edgeglm_api.sensor_graph import EntityRef, GraphCaps, Measurement, Output, Question, Source, Timestamp, Window
from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph
from tests.edge.conftest import EdgeSite
from tests.edge.fault_report import Recovery, tell
from tests.edge.power_cut import PowerCut
from tests.edge.sensors import Sensors
from tests.edge.stream import Stream, recent

pytestmark = pytest.mark.broker

SMALL_BYTES: Final = 8 * 1024 * 1024
LEDGERS_LOG_BYTES: Final = 4 * 1024 * 1024
"""What SQLite may need beyond what is counted, until it has folded its log into the file."""
STEP_SECONDS: Final = 300
DAY: Final = 86_400 // STEP_SECONDS
DAMAGED: Final = max(5, int(os.environ.get("EDGEGLM_KILLS", "20")) // 4)
"""Files that power cuts are to leave otherwise than they were synced."""


def a_patient_plant() -> Graph:
    """Sixty machines in one message, and a question about each: of some size, and it waits as long as it takes."""
    return a_graph(
        sources=(
            Source(
                name="machines",
                topic="plant/machines",
                for_each="$.machines[*]",
                entity=EntityRef(type="Machine", id="{@.name}"),
                measurements=(Measurement(property="rms", path="@.rms", unit="mm/s"),),
                timestamp=Timestamp(path="$.ts", format="Seconds"),
            ),
        ),
        window=Window(size_seconds=1, allowed_lateness_seconds=1, idle_timeout_seconds=2),
        graph=GraphCaps(max_nodes=60, max_edges=60),
        question=Question(),
        reasoning=Reasoning(
            route="EdgeOnly",
            endpoints=("engine",),
            attempt_timeout_seconds=5,
            fresh_for_seconds=30 * 86_400,
            max_tokens=64,
        ),
        output=Output(topic="insights/{graph}"),
    )


def days(sensors: Sensors, most: int = 4) -> Iterator[int]:
    """Send a message for every five minutes of the last days, and stop after each day."""
    start = recent(most * 86_400)
    for step in range(most * DAY):
        send_step(sensors, start, step)
        if step % DAY == DAY - 1:
            sensors.flush()
            yield sensors.published


def send_step(sensors: Sensors, start: int, step: int) -> None:
    machines = [{"name": f"machine-{number:03}", "rms": 2.0 + number / 100} for number in range(60)]
    sensors.raw("plant/machines", json.dumps({"ts": start + step * STEP_SECONDS, "machines": machines}).encode())


def a_small_spool(**limits: Any) -> Limits:
    return Limits(spool_max_bytes=SMALL_BYTES, max_concurrency=4, **limits)


def is_full(site: EdgeSite) -> bool:
    return bool(site.agent.told()["spool"]["blocked"])


def is_at_cap(site: EdgeSite) -> bool:
    """Whether the next message would not be taken."""
    return is_full(site) or used_bytes(site) >= SMALL_BYTES


def used_bytes(site: EdgeSite) -> int:
    spool = site.agent.told()["spool"]
    return int(spool["rawBytes"] + spool["ledgerBytes"])


def dropped(site: EdgeSite) -> dict[str, int]:
    found: dict[str, int] = site.agent.told()["books"]["waitingDropped"].get("line-1", {})
    return found


def all_told(site: EdgeSite, sent: int) -> bool:
    return site.agent.received() == sent and site.agent.settled()


@pytest.mark.timeout(300)
def test_days_without_an_engine_fill_the_spool_and_the_broker_keeps_the_rest(site: EdgeSite) -> None:
    site.engine.stop()
    site.agent.configure(site.bundle(a_patient_plant(), limits=a_small_spool()))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    for _day in days(sensors, most=6):
        wait_for(lambda: is_at_cap(site) or site.agent.received() == sensors.published, "nothing moves", seconds=60)
        # What SQLite has not folded into the file yet may lift it to the cap for a moment.
        if is_full(site):
            break
    wait_for(lambda: is_full(site), "the spool is never full", seconds=60)
    sent, taken = sensors.published, site.agent.received()
    assert 0 < taken < sent
    site.agent.kill()
    site.agent.start()
    assert used_bytes(site) <= SMALL_BYTES + LEDGERS_LOG_BYTES

    recovery = Recovery("days without an engine, the spool at its cap, onFull Reject, and a kill -9 there")
    site.engine.start()
    with recovery:
        wait_for(lambda: all_told(site, sent), "does not recover", seconds=120)
    wait_for(lambda: len(listener.windows()) >= sent, "answers are missing", seconds=60)

    assert len(listener.windows()) == len(set(listener.windows())) == sent
    assert "Expired" not in {answer["status"] for answer in listener.answers}
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    recovery.tell(messages=sent, takenWhenFull=taken, lost=0, told=sent)


@pytest.mark.timeout(300)
def test_four_days_without_an_engine_drop_the_oldest_questions_and_say_so(site: EdgeSite) -> None:
    site.engine.stop()
    site.agent.configure(site.bundle(a_patient_plant(), limits=a_small_spool(spool_on_full="DropOldest")))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    *_, sent = days(sensors)
    wait_for(lambda: site.agent.received() == sent, "does not go on when full", seconds=60)
    wait_for(lambda: site.agent.told()["books"]["windows"]["line-1"]["ask"] == sent, "does not fold", seconds=60)
    wait_for(lambda: not is_full(site), "does not take more")
    assert used_bytes(site) <= SMALL_BYTES + LEDGERS_LOG_BYTES

    recovery = Recovery("four days without an engine, the spool at its cap, onFull DropOldest")
    site.engine.start()
    with recovery:
        wait_for(lambda: all_told(site, sent), "does not recover", seconds=120)
    wait_for(lambda: len(listener.windows()) >= sent, "answers are missing", seconds=60)

    windows: dict[str, list[str]] = {"Expired": [], "asked": []}
    for answer in listener.answers:
        kind = "Expired" if answer["status"] == "Expired" else "asked"
        windows[kind] += [span["start"] for span in answer["windows"]]
    gone = dropped(site)["requests.SpoolFull"]
    assert len(windows["Expired"]) == gone
    assert len(windows["asked"]) == sent - gone > 0
    assert min(windows["Expired"]) < min(windows["asked"]), "the oldest went"
    assert max(windows["Expired"]) < max(windows["asked"]), "the newest did not"
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    recovery.tell(messages=sent, questionsDropped=gone, readingsDropped=0, lost=0)


@pytest.mark.timeout(300)
def test_a_long_day_without_an_engine_drops_what_is_least_urgent_and_nothing_else(site: EdgeSite) -> None:
    """Two graphs of the same machines: together they do not fit, and the urgent one alone does."""
    urgent = a_patient_plant()
    urgent = msgspec.structs.replace(
        urgent, name="urgent", uid="urgent", reasoning=msgspec.structs.replace(urgent.reasoning, priority="High")
    )
    idle = msgspec.structs.replace(
        urgent, name="idle", uid="idle", reasoning=msgspec.structs.replace(urgent.reasoning, priority="Low")
    )
    site.engine.stop()
    limits = a_small_spool(spool_on_full="DropLowestPriority")
    site.agent.configure(site.bundle(urgent, idle, limits=limits))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    sent, start = 400, recent(2 * 86_400)
    for step in range(sent):
        send_step(sensors, start, step)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 2 * sent, "does not go on when full", seconds=60)
    wait_for(lambda: asks(site) == {"urgent": sent, "idle": sent}, "does not fold", seconds=60)
    site.agent.kill()
    site.agent.start()

    recovery = Recovery(
        "a day and a half without an engine, two graphs, the spool at its cap, onFull DropLowestPriority, kill -9"
    )
    site.engine.start()
    with recovery:
        wait_for(lambda: site.agent.received() == 2 * sent and site.agent.settled(), "does not recover", seconds=120)
    wait_for(lambda: len(listener.windows()) >= 2 * sent, "answers are missing", seconds=60)

    told = Counter(
        (answer["graph"], answer["status"] == "Expired") for answer in listener.answers for _ in answer["windows"]
    )
    gone = site.agent.told()["books"]["waitingDropped"]
    assert gone.keys() == {"idle"}
    assert told["urgent", False] == sent
    site.agent.assert_books_balance()
    recovery.tell(messages=sent, questionsDropped=gone["idle"]["requests.SpoolFull"], urgentDropped=0, lost=0)


def asks(site: EdgeSite) -> dict[str, int]:
    windows = site.agent.told()["books"]["windows"]
    return {graph: verdicts["ask"] for graph, verdicts in windows.items()}


@pytest.mark.timeout(300)
def test_what_has_waited_for_two_days_is_dropped_though_there_is_room(site: EdgeSite) -> None:
    site.engine.stop()
    limits = Limits(spool_max_bytes=1 << 30, max_concurrency=4, spool_max_age_seconds=2 * 86_400)
    site.agent.configure(site.bundle(a_patient_plant(), limits=limits))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    *_, sent = days(sensors)
    wait_for(lambda: dropped(site).get("requests.TooOld", 0) >= 2 * DAY, "nothing is too old", seconds=60)
    site.engine.start()
    wait_for(lambda: all_told(site, sent), "does not recover", seconds=120)
    wait_for(lambda: len(listener.windows()) >= sent, "answers are missing", seconds=60)

    gone = dropped(site)["requests.TooOld"]
    assert 2 * DAY <= gone <= 2 * DAY + 1, "half of four days, and maybe the next step"
    assert len(set(listener.windows())) == sent
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    tell("four days without an engine, maxAgeSeconds two days", messages=sent, questionsDropped=gone, lost=0)


@pytest.mark.timeout(240 + 20 * DAMAGED)
@pytest.mark.parametrize("sync", ["Full", "Normal"])
def test_a_power_cut_takes_nothing_that_was_acknowledged_unless_the_site_says_so(
    site: EdgeSite, tmp_path: Path, sync: Sync
) -> None:
    """What was not synced is cut off, mixed with what was there before, or holds bytes that nobody wrote."""
    power = PowerCut(tmp_path, site.agent)
    site.agent.configure(site.bundle(limits=a_small_spool(spool_sync=sync)))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    seconds = 40 * DAMAGED
    stream = Stream(sensors, recent(seconds + 60), seconds, pause=0.1)
    stream.start()
    moments = random.Random(5)  # noqa: S311 - the same moments again
    recovery = Recovery(f"power cut in mid-stream, sync {sync}")
    cuts = 0
    while power.damaged < DAMAGED and stream.is_alive():
        time.sleep(moments.uniform(0.1, 0.8))
        power.strike()
        cuts += 1
        with recovery:
            site.agent.start()
    stream.enough.set()
    stream.join(600)
    everything = sensors.published if sync == "Full" else 1
    wait_for(lambda: site.agent.received() >= everything and site.agent.settled(), "not settled", seconds=120)

    listener.assert_no_contradiction()
    assert site.agent.told()["books"]["balanced"]
    lost = sensors.published - site.agent.received()
    spool = site.agent.told()["spool"]
    assert spool["revision"] == spool["setAside"] == 0, "no damage is found where only a write was broken off"
    if sync == "Full":
        assert lost == site.agent.told()["books"]["lost"] == 0
        wait_for(lambda: set(listener.windows()) == stream.expected, "answers are missing")
        assert len(listener.windows()) == len(stream.expected)
    assert power.damaged > 0, "no cut came in the middle of a write"
    recovery.tell(cuts=cuts, messages=sensors.published, lost=lost, damagedFiles=power.damaged, contradictions=0)


@pytest.mark.timeout(300)
def test_deeper_damage_is_opened_counted_and_reported(site: EdgeSite) -> None:
    """Pages of the ledger and a spot of the raw log are gone, while questions wait."""
    site.engine.stop()
    site.agent.configure(site.bundle(a_patient_plant(), limits=a_small_spool(spool_on_full="DropOldest")))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    *_, sent = days(sensors)
    wait_for(lambda: site.agent.received() == sent, "not received", seconds=60)
    wait_for(lambda: site.agent.told()["spool"]["backlog"] == 0, "does not fold", seconds=60)
    before = site.agent.told()["spool"]["waiting"]
    site.agent.stop()
    (ledger,) = site.agent.data.glob("*/ledger.db")
    overwrite(ledger, at=ledger.stat().st_size // 2, size=16_384)
    segment = min(ledger.parent.glob("raw/*.log"))
    overwrite(segment, at=segment.stat().st_size // 2, size=64)

    recovery = Recovery("16 KiB in the middle of the ledger and a spot of the raw log overwritten")
    with recovery:
        site.agent.start()
    spool = site.agent.told()["spool"]
    assert (spool["revision"], spool["setAside"]) == (1, 1)
    metrics = (site.agent.get("/metrics") or b"").decode()
    assert "edgeglm_agent_spool_ledger_revision 1.0" in metrics
    assert 0 < spool["waiting"] <= sent
    site.engine.start()
    wait_for(site.agent.settled, "does not recover", seconds=120)

    listener.assert_no_contradiction()
    assert site.agent.told()["books"]["balanced"]
    recovery.tell(questionsBefore=before, questionsReadAgain=spool["waiting"], contradictions=0)


def overwrite(path: Path, *, at: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xee" * size)
