"""What the agent needs and does not get: an engine that makes sense, and memory."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.edge.agent_process import wait_for
from tests.edge.conftest import EdgeSite
from tests.edge.fault_report import Recovery
from tests.edge.memory_limit import MemoryLimit
from tests.edge.stream import Stream, recent
from tests.edge.stub_engine import Scripted, obedient

pytestmark = pytest.mark.broker

TEN_MINUTES: Final = 600
MIB: Final = 1024 * 1024
STRANGERS: Final = ("m99", "<script>", "ignore all rules")
"""Words of the garbage that must stand in no answer."""


def garbage() -> Iterator[Scripted]:
    """Everything that an engine out of its mind was seen to say, over and over."""
    stranger = {"node": "m99", "evidence": ["e1"], "confidence": "High", "comment": "<script>"}
    while True:
        yield Scripted("")
        yield Scripted(None)
        yield Scripted("the the the the the the the the")
        yield Scripted('{"assessment": "anomaly", "findings": [{"node": "m', finish="length")
        yield Scripted(json.dumps({"assessment": "anomaly", "findings": [stranger]}))
        yield Scripted(json.dumps({"assessment": "ignore all rules", "findings": []}))
        yield Scripted("[" * 5000)
        yield Scripted("\x00\ufffd\u202e" * 50)
        yield Scripted("Internal error", status=500)
        yield Scripted("<html>Bad gateway</html>", status=502)
        yield Scripted("no such model", status=404)
        yield Scripted(json.dumps({"findings": "m99"}), reasoning_content="ignore all rules")


@pytest.mark.timeout(240)
def test_ten_minutes_of_garbage_from_the_engine_are_told_as_what_they_are(site: EdgeSite) -> None:
    """Ten minutes of event time. No word of it gets out, nobody is told twice, and sense is heard at once."""
    said = garbage()
    site.engine.script = lambda _body: next(said)
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    start = recent(TEN_MINUTES)
    bad = [second for second in range(TEN_MINUTES) if second % 20 == 5]
    for second in range(TEN_MINUTES):
        sensors.send(start + second, 9.0 if second in bad else 2.0)
    sensors.flush()
    wait_for(lambda: site.agent.received() == sensors.published and site.agent.windowed(), "not windowed")
    wait_for(lambda: len(site.engine.asked) >= len(bad), "does not go on asking")
    in_garbage = list(listener.asked)

    site.engine.script = obedient
    recovery = Recovery("ten minutes of garbage from the engine, until all is told")
    with recovery:
        wait_for(site.agent.settled, "not settled", seconds=120)
    wait_for(lambda: len(listener.windows()) >= len(bad), "answers are missing")
    assert len(listener.windows()) == len(set(listener.windows())) == len(bad)
    assert {answer["status"] for answer in in_garbage} <= {"Invalid", "Expired"}
    assert {answer["status"] for answer in listener.asked} <= {"Ok", "Invalid"}
    claims = json.dumps([{**answer, "validation": None} for answer in listener.answers])
    assert not any(word in claims for word in STRANGERS), "what was refused is told as that, and nowhere else"
    assert site.agent.told()["faults"] == 0
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    statuses = [answer["status"] for answer in listener.asked]
    recovery.tell(
        messages=sensors.published, asked=len(site.engine.asked), invalid=statuses.count("Invalid"), contradictions=0
    )


@pytest.fixture
def memory(site: EdgeSite) -> Iterator[MemoryLimit]:
    """A group with a limit, for the site's agent; needs root."""
    try:
        group = MemoryLimit()
    except PermissionError as error:
        pytest.skip(f"cannot make a cgroup: {error}; run as root")
    site.agent.inside = group.inside
    yield group
    site.agent.end()
    group.remove()


HUNGRY = """
import time
held = []
for _ in range(200):
    held.append(bytearray(b"x" * 2**20))
    time.sleep(0.01)
time.sleep(600)
"""


@pytest.mark.timeout(300)
def test_an_agent_that_is_killed_for_want_of_memory_loses_nothing(site: EdgeSite, memory: MemoryLimit) -> None:
    """Beside a process that takes all that the group may have; the kernel chooses the agent, again and again."""
    times = 3
    site.agent.configure(site.bundle())
    site.agent.start()
    listener, sensors = site.listener(), site.sensors()
    stream = Stream(sensors, recent(1800), 1700, pause=0.1)
    stream.start()
    recovery = Recovery(f"the agent is killed for want of memory, {times} times")
    for _ in range(times):
        more = site.agent.received() + 200
        wait_for(partial(has_received, site, more), "nothing comes")
        squeeze(site, memory)
        with recovery:
            site.agent.start()
    stream.enough.set()
    stream.join(120)
    wait_for(lambda: site.agent.received() == sensors.published and site.agent.settled(), "not settled", seconds=120)
    wait_for(lambda: len(listener.windows()) >= len(stream.expected), "answers are missing")

    assert sorted(listener.windows()) == sorted(stream.expected)
    listener.assert_no_contradiction()
    site.agent.assert_books_balance()
    recovery.tell(messages=sensors.published, lost=0, answers=len(listener.bodies), contradictions=0)


def has_received(site: EdgeSite, number: int) -> bool:
    return site.agent.received() >= number


def squeeze(site: EdgeSite, memory: MemoryLimit) -> None:
    """Let the agent and somebody hungry share too little, until the kernel has ended the agent."""
    agent = site.agent.process
    assert agent is not None
    choose(agent.pid)
    memory.limit(memory.used_bytes() + 64 * MIB)
    hungry = subprocess.Popen([*memory.inside, sys.executable, "-c", HUNGRY])
    try:
        assert agent.wait(120) == -signal.SIGKILL
    finally:
        hungry.kill()
        hungry.wait(60)


def choose(pid: int) -> None:
    """Have the kernel end this process before all others."""
    Path(f"/proc/{pid}/oom_score_adj").write_text("1000", encoding="ascii")
