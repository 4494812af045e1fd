"""A recording from a real broker, beside an agent that misses nothing for it, and what a replay makes of it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgeglm_agent.rehearse.recording import Recording
from edgeglm_agent.spool.entry import Message
from tests.edge.agent_process import wait_for
from tests.edge.conftest import EdgeSite

pytestmark = pytest.mark.broker

GRAPH = {
    "kind": "SensorGraph",
    "metadata": {"name": "line-1"},
    "spec": {
        "sites": {"nodeNames": ["edge-1"]},
        "broker": {"url": "mqtt://${site.broker}"},
        "sources": [
            {
                "name": "vibration",
                "topic": "plant/{line}/{machine}/vibration",
                "entity": {"type": "Machine", "id": "{line}/{machine}"},
                "measurements": [{"property": "rms", "path": "$.rms", "limits": {"high": 7.1}}],
                "timestamp": {"path": "$.ts"},
            }
        ],
        "window": {"sizeSeconds": 1, "allowedLatenessSeconds": 1, "idleTimeoutSeconds": 2},
        "question": {"when": {"detectors": ["Limit"]}},
        "reasoning": {"serviceRef": {"name": "llm"}},
        "output": {"topic": "insights/{graph}"},
    },
}


def recorded(out: Path) -> int:
    return sum(isinstance(entry, Message) for entry in Recording(out).entries())


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "edgeglm_agent.main", *arguments]


@pytest.mark.timeout(120)
def test_a_recording_is_made_beside_the_agent_and_replayed_twice_to_the_same(site: EdgeSite, tmp_path: Path) -> None:
    graph = tmp_path / "graph.json"
    graph.write_text(json.dumps(GRAPH))
    site.agent.configure(site.bundle())
    site.agent.start()
    sensors = site.sensors()
    out = tmp_path / "rec"
    recorder = subprocess.Popen(
        command("record", "--graph", str(graph), "--out", str(out), "--broker", site.broker.url), stderr=subprocess.PIPE
    )
    assert recorder.stderr is not None
    assert recorder.stderr.readline() == b"recording\n"
    now = int(time.time())
    for number in range(200):
        sensors.send(now - 100 + number / 10, 9.0 if number % 50 == 7 else 2.0)
        sensors.flush()
        time.sleep(0.005)
    wait_for(lambda: site.agent.received() == 200, "the agent missed some")
    wait_for(lambda: recorded(out) == 200, "the recorder missed some")
    recorder.send_signal(signal.SIGINT)
    said = recorder.communicate(timeout=20)[1].decode()
    assert recorder.returncode == 0, said
    assert "entries" in said

    replay = command("replay", "--graph", str(graph), "--input", str(out), "--speed", "max", "--no-model")
    first, second = (subprocess.run(replay, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second
    assert "200 windowed" in first
    assert "requests    4, " in first

    again = subprocess.run(
        command("record", "--graph", str(graph), "--out", str(out), "--broker", site.broker.url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 2
    assert "File exists" in again.stderr


def test_a_broker_whose_address_is_a_parameter_must_be_named(tmp_path: Path) -> None:
    graph = tmp_path / "graph.json"
    graph.write_text(json.dumps(GRAPH))
    done = subprocess.run(
        command("record", "--graph", str(graph), "--out", str(tmp_path / "rec")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "parameter" in done.stderr
    assert not (tmp_path / "rec").exists()
