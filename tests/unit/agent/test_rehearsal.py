"""A replay is production under another clock: the same recording gives the same requests, and other rules show."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeglm_agent.main import main
from edgeglm_agent.rehearse.cli import EXIT_BAD_INPUT
from edgeglm_agent.rehearse.graph_file import BadGraph, bundle_for, load_graph
from edgeglm_agent.rehearse.recording import NoRecording, Recording
from edgeglm_agent.spool.entry import Connected, Disconnected, Entry
from edgeglm_agent.spool.raw_log import RawLog
from edgeglm_api.bundle import Endpoint
from tests.edge.stub_engine import StubEngine

from .jgf import valid_graph
from .machine import BROKER, Machine
from .observations import SECOND, a_message
from .test_pipeline import a_stream

Write = Callable[..., Path]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Eighty seconds of two machines, of which one is bad each fourth second."""
    log = RawLog(tmp_path / "rec" / "raw", segment_bytes=4096)
    for entry in a_stream(80):
        log.append([entry])
    log.close()
    return tmp_path / "rec"


@pytest.fixture
def graph(tmp_path: Path) -> Write:
    """Writes a SensorGraph, as a person would."""

    def write(name: str = "graph.json", *, high: float = 7.1, **changes: Any) -> Path:
        spec: dict[str, Any] = {
            "sites": {"nodeNames": ["edge-1"]},
            "broker": {"url": "mqtt://${site.broker}:1883"},
            "sources": [
                {
                    "name": "vibration",
                    "topic": "plant/{line}/{machine}/vibration",
                    "entity": {"type": "Machine", "id": "{machine}"},
                    "measurements": [{"property": "rms", "path": "$.rms", "limits": {"high": high}}],
                    "timestamp": {"path": "$.ts"},
                    "relations": [{"type": "partOf", "to": {"type": "Line", "id": "{line}"}}],
                }
            ],
            "window": {"sizeSeconds": 1, "allowedLatenessSeconds": 1, "idleTimeoutSeconds": 2},
            "question": {"when": {"detectors": ["Limit"]}},
            "reasoning": {"serviceRef": {"name": "llm"}},
            "output": {"topic": "insights/{graph}"},
            **changes,
        }
        path = tmp_path / name
        path.write_text(json.dumps({"kind": "SensorGraph", "metadata": {"name": "line-1"}, "spec": spec}))
        return path

    return write


def replayed(capsys: pytest.CaptureFixture[str], recording: Path, *arguments: str) -> dict[str, str]:
    assert main(["replay", "--input", str(recording), *arguments]) == 0, capsys.readouterr().err
    lines = capsys.readouterr().out.splitlines()
    return {line[:12].strip(): line[12:] for line in lines}


def test_two_replays_ask_the_same_and_leave_the_recording_as_it_was(
    recording: Path, graph: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in recording.rglob("*") if path.is_file()}
    rules = str(graph())
    first = replayed(capsys, recording, "--graph", rules, "--speed", "max", "--no-model")
    second = replayed(capsys, recording, "--graph", rules)
    assert first == second
    assert first["windows"] == "20 ask, 60 quiet"
    assert first["messages"] == "160 windowed"
    assert first["books"] == "balanced"
    assert first["requests"].startswith("20, ")
    assert first["answers"] == "20 Abstained"
    assert {path: path.read_bytes() for path in recording.rglob("*") if path.is_file()} == before


def test_the_graphs_that_were_asked_about_are_written_in_json_graph_format(
    recording: Path, graph: Write, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    graphs = tmp_path / "graphs.jsonl"
    told = replayed(capsys, recording, "--graph", str(graph()), "--graphs", str(graphs))
    found = [valid_graph(json.loads(line)) for line in graphs.read_text().splitlines()]
    ids = hashlib.sha256("\n".join(each["id"] for each in found).encode()).hexdigest()
    assert (f"{len(found)}," in told["requests"], ids) == (True, told["request ids"])
    assert all(each["metadata"]["evidence"] for each in found)


def test_graphs_of_two_sets_of_rules_go_to_no_one_file(
    recording: Path, graph: Write, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    both = [str(graph("old.json")), str(graph("new.json"))]
    graphs = tmp_path / "graphs.jsonl"
    assert main(["replay", "--input", str(recording), "--diff", *both, "--graphs", str(graphs)]) == EXIT_BAD_INPUT
    assert "--graphs goes with --graph" in capsys.readouterr().err
    assert not graphs.exists()


def test_a_torn_end_is_left_as_it_is(recording: Path, graph: Write, capsys: pytest.CaptureFixture[str]) -> None:
    last = max((recording / "raw").glob("*.log"))
    last.write_bytes(last.read_bytes()[:-3])
    torn = last.read_bytes()
    assert replayed(capsys, recording, "--graph", str(graph()))["messages"] == "159 windowed"
    assert last.read_bytes() == torn


def test_an_agents_spool_is_a_recording_and_asks_what_the_agent_asked(
    tmp_path: Path, graph: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = Machine(tmp_path / "agent")
    agent.hear(*a_stream(80))
    agent.fold_all()
    asked = len(agent.requests())
    agent.crash()
    told = replayed(capsys, tmp_path / "agent", "--graph", str(graph()))
    assert told["requests"].startswith(f"{asked}, ")


def test_rules_are_compared_window_by_window(recording: Path, graph: Write, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = graph("old.json"), graph("new.json", high=2.15)
    assert main(["replay", "--input", str(recording), "--diff", str(old), str(new)]) == 0
    lines = capsys.readouterr().out.splitlines()
    changes = [line for line in lines if line.startswith(("+", "-"))]
    more = [line for line in changes if line.startswith("+") and "rms 2.2" in line]
    assert more
    assert more[0].endswith("m1 rms 2.2 is above its high limit 2.15 since 1970-01-01T00:01:42Z")
    assert main(["replay", "--input", str(recording), "--diff", str(old), str(old)]) == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith(("+", "-"))]


def test_what_comes_late_is_rehearsed_as_it_would_be_lived(
    tmp_path: Path, graph: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    log = RawLog(tmp_path / "rec" / "raw")
    log.append([a_message(2.0, at=100.0 + second) for second in range(20)])
    log.append([a_message(12.0, at=105.5, arrived=120.0), a_message(2.0, at=121.0)])
    log.close()
    window: dict[str, Any] = {"sizeSeconds": 1, "allowedLatenessSeconds": 1, "idleTimeoutSeconds": 2}
    drops = replayed(capsys, tmp_path / "rec", "--graph", str(graph(window=window)))
    assert (drops["messages"], drops["requests"][:2]) == ("1 late, 21 windowed", "0,")
    window |= {"late": "Revise", "lateWithinSeconds": 60}
    first = replayed(capsys, tmp_path / "rec", "--graph", str(graph(window=window)))
    assert (first["messages"], first["requests"][:2]) == ("22 windowed", "1,")
    assert "1 revised" in first["windows"]
    assert first == replayed(capsys, tmp_path / "rec", "--graph", str(graph(window=window)))


def test_a_slow_engine_merges_and_expires_in_the_time_of_the_recording(
    recording: Path, graph: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer takes 30 s of the recording: every window asks, quiet ones are told together, and some are too old."""
    rules = str(graph(question={}, reasoning={"serviceRef": {"name": "llm"}, "freshForSeconds": 20}))
    told = replayed(capsys, recording, "--graph", rules, "--assume-seconds", "30")
    merged = int(told["merged"].split()[0])
    answers = {name: int(n) for n, name in (each.split() for each in told["answers"].split(", "))}
    assert told["requests"].startswith("80, ")
    assert answers["Expired"] >= 1
    assert merged >= 1
    fast = replayed(capsys, recording, "--graph", rules, "--assume-seconds", "0.01")
    assert fast["answers"].endswith(" Abstained"), "none expired"
    assert fast["request ids"] == told["request ids"], "what is asked does not hang on how fast it is answered"


def test_an_engine_is_asked_and_its_tokens_and_findings_are_counted(
    recording: Path, graph: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = StubEngine()
    engine.start()
    try:
        told = replayed(capsys, recording, "--graph", str(graph()), "--endpoint", engine.url, "--model", "tiny")
    finally:
        engine.stop()
    assert told["answers"] == "19 Normal, 20 Ok"
    assert told["findings"] == "19 cleared, 20 opened"
    assert told["published"].startswith("39 ")
    assert not told["tokens"].startswith("about")
    assert told["request ids"] == replayed(capsys, recording, "--graph", str(graph()))["request ids"]


def test_an_engine_that_is_away_costs_answers_not_requests(
    recording: Path, graph: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    told = replayed(capsys, recording, "--graph", str(graph()), "--endpoint", "http://127.0.0.1:9/v1")
    assert told["requests"].startswith("20, ")
    assert set(told["answers"].split()[1::2]) == {"Expired"}
    assert int(told["rebuffed"].split()[0]) > 0


def test_sessions_are_the_same_on_each_replay(
    recording: Path, graph: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two machines are heard all the time, so each session is as long as one may be."""
    path = str(graph(window={"type": "Session", "sizeSeconds": 20, "gapSeconds": 5}, question={"task": "Anomaly"}))
    first, second = (replayed(capsys, recording, "--graph", path) for _ in range(2))
    assert first == second
    assert first["requests"].startswith("4, ")


def test_the_end_of_a_recording_is_not_the_loss_of_the_broker(
    tmp_path: Path, graph: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    log = RawLog(tmp_path / "rec")
    stream: list[Entry] = [Connected(99 * SECOND, BROKER, 1, resumed=False), a_message(12.0, at=100.0)]
    log.append([*stream, Disconnected(101 * SECOND, BROKER)])
    log.close()
    assert replayed(capsys, tmp_path / "rec", "--graph", str(graph()))["messages"] == "1 windowed"


# What a person may get wrong.


@pytest.mark.parametrize("topology", [{"configMapRef": {"name": "a", "key": "b"}}, {"devices": {}}])
def test_what_only_a_cluster_has_is_told(graph: Write, topology: dict[str, Any]) -> None:
    (field,) = topology
    with pytest.raises(BadGraph, match=rf"topology\.{field}: only a cluster"):
        bundle_for(
            load_graph(graph(topology=topology)),
            broker="mqtt://b",
            endpoint=Endpoint(name="e", url="http://e/v1", model="m", place="Edge"),
        )


def test_a_field_that_there_is_not_is_told(graph: Write) -> None:
    for path, changes in (
        ("spec.windows", {"windows": {}}),
        ("spec.window.size", {"window": {"sizeSeconds": 1, "size": 5}}),
        ("spec.sources[0].topics", {"sources": [{"topics": "x"}]}),
    ):
        with pytest.raises(BadGraph, match=path.replace("[", r"\[").replace("]", r"\]")):
            load_graph(graph(**changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 SensorGraphs"),
        ("{", "no YAML"),
        ("kind: SensorGraph\nmetadata: {name: a}\nspec: {}\n", "sites"),
        ("kind: SensorGraph\n---\nkind: SensorGraph\n", "2 SensorGraphs"),
        ("kind: ConfigMap\n", "0 SensorGraphs"),
    ],
)
def test_a_file_that_is_no_graph_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text(text)
    with pytest.raises(BadGraph, match=message):
        load_graph(path)


def test_the_example_of_the_plant_can_be_rehearsed(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(capsys, recording, "--graph", "examples/plant/40-sensor-graph.yaml")["books"] == "balanced"


def test_rules_that_cannot_run_and_folders_without_a_recording_are_told(
    recording: Path, graph: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = graph(output={"topic": "plant/l1/m1/vibration"})
    assert main(["replay", "--input", str(recording), "--graph", str(bad)]) == 2
    assert "output.topic" in capsys.readouterr().err
    assert main(["replay", "--input", str(tmp_path / "none"), "--graph", str(graph())]) == 2
    assert "holds no recording" in capsys.readouterr().err
    with pytest.raises(NoRecording):
        Recording(tmp_path)
