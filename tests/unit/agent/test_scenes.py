"""Each scene of examples/scenes is said by its graph, replayed end to end without a model and with an obedient one."""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from edgeglm_agent.rehearse.cli import _replayed
from edgeglm_agent.rehearse.recording import Recording
from edgeglm_agent.rehearse.told import Told
from edgeglm_operator.cli import main as edgeglm
from tests.edge.scene import blame_the_breaker
from tests.edge.stub_engine import StubEngine, obedient

SCENES: Final = Path(__file__).parents[3] / "examples" / "scenes"
NAMES: Final = ("feeder", "cold-chain", "ward")

TOLD: Final = {
    "feeder": (
        "feeder-3 current 2400 A is above its highHigh alarm limit 630 since 2027-01-15T08:00:41Z",
        "q-3 position changed from CLOSED to OPEN at 2027-01-15T08:00:41Z",
        "feeder-3 voltage 0 kV is below its lowLow alarm limit 16 since 2027-01-15T08:00:42Z",
        "q-tie position changed from OPEN to CLOSED at 2027-01-15T08:01:12Z",
    ),
    "cold-chain": (
        "truck-1 door changed from SHUT to OPEN at 2027-01-15T08:00:35Z",
        "truck-1 door changed from OPEN to SHUT at 2027-01-15T08:01:20Z",
    ),
    "ward": ("patient-b oxygen changed from none to mask at 2027-01-15T08:00:50Z",),
}


@pytest.fixture(params=NAMES)
def scene(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def recording(scene: str, tmp_path: Path) -> Recording:
    out = tmp_path / "rec"
    subprocess.run([sys.executable, SCENES / "simulate.py", scene, "--out", out], check=True, capture_output=True)
    return Recording(out)


def replayed(scene: str, recording: Recording, endpoint: str | None = None) -> Told:
    options = argparse.Namespace(
        endpoint=endpoint, model="stub", key_file=None, assume_seconds=1.0, concurrency=2, speed=None, graphs=None
    )
    return _replayed(SCENES / f"{scene}.yaml", recording, options)


def evidence_by_partition(told: Told) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for (partition, _start, _end), evidence in told.asked.items():
        found.setdefault(partition, set()).update(evidence.values())
    return found


def test_its_graph_is_valid(scene: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert edgeglm(["validate", "--file", str(SCENES / f"{scene}.yaml")]) == 0, capsys.readouterr().err


def test_two_replays_find_the_same_and_the_books_balance(scene: str, recording: Recording) -> None:
    first, second = replayed(scene, recording), replayed(scene, recording)
    assert first == second
    assert first.balanced
    assert set(first.fates) == {"windowed"}
    assert first.windows["quiet"] > first.windows["ask"] > 0
    told = {sentence for evidence in evidence_by_partition(first).values() for sentence in evidence}
    assert set(TOLD[scene]) <= told


def test_with_an_engine_that_does_as_it_is_told_every_answer_stands(scene: str, recording: Recording) -> None:
    engine = StubEngine(blame_the_breaker if scene == "feeder" else obedient)
    engine.start()
    try:
        told = replayed(scene, recording, engine.url)
    finally:
        engine.stop()
    assert told.request_ids == replayed(scene, recording).request_ids
    # What is over is told by code, in a Normal answer.
    assert set(told.answers) <= {"Ok", "Abstained", "Normal"}
    assert told.answers["Ok"] >= 1
    assert told.findings["opened"] >= told.findings["cleared"] >= 1
    for asked in _prompts(engine):
        assert _MARKS[scene] in asked


_MARKS: Final = {"feeder": "position CLOSED since", "cold-chain": "on truck-", "ward": "in "}


def _prompts(engine: StubEngine) -> Iterator[str]:
    assert engine.asked
    yield from (body["messages"][1]["content"] for body in engine.asked)


def test_a_box_that_changes_the_truck_is_told_there(tmp_path: Path) -> None:
    out = tmp_path / "rec"
    subprocess.run(
        [sys.executable, SCENES / "simulate.py", "cold-chain", "--out", out], check=True, capture_output=True
    )
    found = evidence_by_partition(replayed("cold-chain", Recording(out)))
    assert {partition for partition, told in found.items() if any("box-2 temp" in each for each in told)} == {
        "truck-1",
        "truck-2",
    }
    assert not any("box-1" in each for each in found["truck-2"])


def test_the_load_of_a_bus_is_told_but_while_one_of_its_feeders_is_switched(tmp_path: Path) -> None:
    """feeder-3 goes off bus-1 in the first window, and onto bus-2 in the last."""
    out = tmp_path / "rec"
    subprocess.run([sys.executable, SCENES / "simulate.py", "feeder", "--out", out], check=True, capture_output=True)
    engine = StubEngine(blame_the_breaker)
    engine.start()
    try:
        replayed("feeder", Recording(out), engine.url)
    finally:
        engine.stop()
    told = [re.findall(r"^(bus-\d): load (\d)", prompt, re.MULTILINE) for prompt in _prompts(engine)]
    assert sorted(told) == [
        [("bus-1", "4")],
        [("bus-1", "4"), ("bus-2", "2")],
        [("bus-1", "4"), ("bus-2", "2")],
        [("bus-2", "2")],
    ]
