"""States and relations through a real broker: what holds, and what changed, survives kills and restarts."""

import json
import random
import re
import threading
import time
from datetime import datetime

import msgspec
import pytest

from edgeglm_agent.moment import rfc3339
from edgeglm_api.bundle import Graph
from edgeglm_api.sensor_graph import Measurement, Question, When
from tests.edge.agent_process import wait_for
from tests.edge.bundles import a_graph, a_source
from tests.edge.conftest import EdgeSite
from tests.edge.sensors import Sensors
from tests.unit.agent.test_relations import a_hospital

pytestmark = pytest.mark.broker

SECONDS = 60
CHANGES_EVERY = 7


def a_graph_with_states() -> Graph:
    mode = a_source(
        name="mode",
        kind="State",
        topic="plant/{line}/{machine}/mode",
        measurements=(Measurement(property="mode", path="$.mode", type="Enum"),),
    )
    return a_graph(sources=(a_source(), mode), question=Question(when=When(detectors=("StateChange",))))


def a_mode(sensors: Sensors, ts: float, mode: str) -> None:
    sensors.raw("plant/l1/m1/mode", json.dumps({"ts": ts, "mode": mode}).encode())


class Line(threading.Thread):
    """One machine that goes from mode to mode; its mode is said only when it changes."""

    def __init__(self, sensors: Sensors, start: int) -> None:
        super().__init__(daemon=True)
        self._sensors = sensors
        self._start_s = start
        self.expected: list[str] = []

    def run(self) -> None:
        a_mode(self._sensors, self._start_s, "mode-0")
        for second in range(SECONDS):
            at = self._start_s + second
            self._sensors.send(at, 2.0)
            if second and second % CHANGES_EVERY == 0:
                number = second // CHANGES_EVERY
                a_mode(self._sensors, at + 0.5, f"mode-{number}")
                moment = rfc3339(at * 1_000_000_000)
                self.expected.append(f"l1/m1 mode changed from mode-{number - 1} to mode-{number} at {moment}")
            self._sensors.flush()
            time.sleep(0.05)


@pytest.mark.timeout(120)
def test_kills_between_changes_forget_no_state_and_tell_no_change_twice(site: EdgeSite) -> None:
    site.agent.configure(site.bundle(a_graph_with_states()))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    line = Line(sensors, int(time.time()) - 300)
    line.start()
    moments = random.Random(3)  # noqa: S311 - the same moments again
    for _ in range(6):
        time.sleep(moments.uniform(0.02, 0.5))
        site.agent.kill()
        site.agent.start()
    line.join(60)
    wait_for(lambda: site.agent.received() == sensors.published and site.agent.settled(), "not settled", seconds=60)
    wait_for(lambda: len(listener.asked) >= len(line.expected), "answers are missing")

    said = [finding for answer in listener.asked for finding in answer["findings"]]
    # That one is over is said once more, in its own words.
    told = [finding["statement"] for finding in said if finding["state"] != "Cleared"]
    assert sorted(told) == line.expected
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()


def test_a_retained_state_from_before_is_known_without_being_a_change(site: EdgeSite) -> None:
    """The broker tells it at once, long after it was said."""
    start = int(time.time()) - 300
    sensors = site.sensors()
    body = json.dumps({"ts": start - 3600, "mode": "RUN"}).encode()
    sensors.client.publish("plant/l1/m1/mode", body, qos=1, retain=True).wait_for_publish(10)
    rules = a_graph_with_states()
    site.agent.configure(site.bundle(msgspec.structs.replace(rules, question=Question())))
    site.agent.start()
    for second in range(4):
        sensors.send(start + second, 2.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == 5 and site.agent.settled(), "not settled")

    asked = [body["messages"][-1]["content"] for body in site.engine.asked]
    assert asked
    assert all(re.search(r"mode RUN since -360\d s", content) for content in asked)
    assert all("Evidence: none" in content for content in asked)


@pytest.mark.timeout(120)
def test_a_patient_changes_beds_over_kills_and_is_never_in_two(site: EdgeSite) -> None:
    site.agent.configure(site.bundle(a_hospital()))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = int(time.time()) - 300
    beds = ("n1", "s1", "n2")
    for second in range(30):
        if second % 5 == 0:
            move = {"ts": start + second, "bed": beds[second // 5 % 3], "what": "admit"}
            sensors.raw("adt/p1/moves", json.dumps(move).encode())
        for half in (0.0, 0.5):
            sensors.raw("vital/p1/pulse", json.dumps({"ts": start + second + half, "bpm": 70}).encode())
        sensors.flush()
        if second % 7 == 6:
            site.agent.kill()
            site.agent.start()
    wait_for(lambda: site.agent.received() == sensors.published and site.agent.settled(), "not settled", seconds=60)

    for body in site.engine.asked:
        content = body["messages"][-1]["content"]
        (moment,) = re.findall(r"Window of 1 s from (\S+):", content)
        (ward,) = re.findall(r"Partition (\w+)\.", content)
        second = _epoch_s(moment) - start
        bed = beds[second // 5 % 3]
        assert ward == {"n": "north", "s": "south"}[bed[0]]
        assert [each for each in beds if f"p1 (Patient): in {each}" in content] == [bed]
    assert site.engine.asked
    wards = {"n": "north", "s": "south"}
    told = [
        (ward, second - start)
        for ward, begin, end in listener.windows()
        for second in range(_epoch_s(begin), _epoch_s(end))
    ]
    assert sorted(told) == sorted((wards[beds[second // 5 % 3][0]], second) for second in range(30))
    site.agent.assert_books_balance()


def _epoch_s(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp())


def test_who_falls_silent_is_told_though_nobody_speaks_any_more(site: EdgeSite) -> None:
    rules = a_graph(sources=(a_source(expect_every_seconds=2),), question=Question(when=When(detectors=("Silence",))))
    site.agent.configure(site.bundle(rules))
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    sensors.send(time.time(), 2.0)
    sensors.flush()
    wait_for(lambda: len(listener.answers) == 1 and site.agent.settled(), "nobody is missed")

    ((finding,),) = (answer["findings"] for answer in listener.answers)
    assert finding["severity"] == "Warning"
    assert finding["statement"].startswith("l1/m1 is silent: nothing from vibration since ")
    site.agent.assert_books_balance()
