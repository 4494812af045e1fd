"""Programs are ended by pid and start time, never by a pid alone."""

import json
import os
from pathlib import Path

import pytest

from tests.cluster.process import Identity, NotReadyError, ProcessTable, until


@pytest.fixture
def table(tmp_path: Path) -> ProcessTable:
    return ProcessTable(tmp_path)


def test_a_reused_pid_is_somebody_elses_process(table: ProcessTable) -> None:
    """Our own pid with another start time stands for a process that took the pid of one that is gone."""
    reused = {"pid": os.getpid(), "started": Identity.of(os.getpid()).started - 1}
    (table.directory / "old.json").write_text(json.dumps(reused))
    assert not table.alive("old")
    table.stop("old")  # would end this test run
    table.kill("old")
    assert table.names() == []


def test_a_program_outlives_its_table_and_is_ended_by_another(table: ProcessTable) -> None:
    table.start("sleeper", ["sleep", "60"], ready=lambda: True)
    later = ProcessTable(table.directory)
    assert later.alive("sleeper")
    later.stop("sleeper")
    assert not table.alive("sleeper")


def test_a_program_that_dies_shows_its_last_words(table: ProcessTable) -> None:
    with pytest.raises(NotReadyError, match=r"ended at once[\s\S]*no such luck"):
        table.start("brief", ["sh", "-c", "echo no such luck"], ready=lambda: False, bound_seconds=5)


def test_a_program_that_is_never_ready_is_ended(table: ProcessTable) -> None:
    with pytest.raises(NotReadyError, match=r"not ready within 0\.2 s"):
        table.start("slow", ["sleep", "60"], ready=lambda: False, bound_seconds=0.2)
    assert not table.alive("slow")


def test_waiting_has_a_bound() -> None:
    assert not until(lambda: False, 0.1)
