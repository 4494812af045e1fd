"""`edgeglm verify` against a real engine that batches: many requests at once, and all have text."""

from pathlib import Path

import msgspec
import pytest

from edgeglm_api.verification import Report
from edgeglm_operator.cli import main
from tests.engine.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def test_a_real_engine_answers_sixteen_requests_at_once(
    smollm2_engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"

    status = main(["verify", f"--url={smollm2_engine.url}", f"--model={smollm2_engine.model}", f"--report={report}"])

    said = capsys.readouterr().out
    assert (status, said.partition(":")[0]) == (0, "Verified"), said
    (replica,) = msgspec.json.decode(report.read_bytes(), type=Report).replicas
    assert replica.answered == 16


def test_a_real_engine_does_not_know_another_model(smollm2_engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """It says 404, which is no answer."""
    status = main(["verify", f"--url={smollm2_engine.url}", "--model=other", "--concurrency=2"])

    assert status == 1
    assert "failed (status 404" in capsys.readouterr().out
