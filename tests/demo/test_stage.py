"""The demo removes at its end what it put on the nodes' disk, and nothing that was there before."""

from pathlib import Path

import pytest

from tests.demo import stage


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stage, "HOST", tmp_path / "edgeglm")
    monkeypatch.setattr(stage, "MARK", tmp_path / "edgeglm" / "made-by-the-demo")
    return tmp_path / "edgeglm"


def test_a_machine_that_serves_a_site_is_left_alone(host: Path) -> None:
    (host / "data").mkdir(parents=True)
    with pytest.raises(stage.HostTakenError, match="in use"):
        stage.take_host()
    assert [entry.name for entry in host.iterdir()] == ["data"]


def test_what_a_killed_demo_left_is_taken_again(host: Path) -> None:
    stage.take_host()
    (host / "models").mkdir()
    stage.take_host()
    assert (host / "models").exists()
