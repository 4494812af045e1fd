"""The command: a table for people, and a last line for programs."""

import json
from collections.abc import Iterator

import pytest

from bench.model_eval import main
from tests.edge.stub_engine import Scripted, StubEngine


@pytest.fixture
def engine() -> Iterator[StubEngine]:
    """One that never knows."""
    engine = StubEngine(lambda _body: Scripted(json.dumps({"assessment": "unsure", "findings": []})))
    engine.start()
    yield engine
    engine.stop()


def test_a_model_stands_beside_what_needs_none(engine: StubEngine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--endpoint", engine.url, "--model", "stub", "--seeds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[1] for line in lines[2:5]] == ["stub", "detectors alone", "guesser"]
    scores = json.loads(lines[-1])["scores"]
    assert set(scores["stub"]) == set(scores["detectors alone"]) == {"Anomaly", "RootCause", "LinkCompletion"}
    assert scores["stub"]["Anomaly"]["abstained"] == 1
    assert scores["stub"]["Anomaly"]["prompt_tokens"] == 100
