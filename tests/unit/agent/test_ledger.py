"""The ledger: what is damaged is set aside, and what can be read of it is taken over."""

import sqlite3
from pathlib import Path

import pytest

from edgeglm_agent.pipeline.judge import Site
from edgeglm_agent.pipeline.pipeline import Pipeline
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.spool.answers import count_undelivered
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import count_waiting
from edgeglm_api.sensor_graph import Question
from tests.edge.bundles import a_bundle, a_graph

from .machine import Machine
from .observations import a_message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a site with questions that wait, and answers that are not delivered."""
    machine = Machine(tmp_path, a_bundle(a_graph(question=Question())))
    for second in range(300):
        machine.hear(a_message(at=100.0 + second), a_message(at=100.0 + second, line="l2"))
    machine.fold_all()
    docket = Docket(machine.ledger, lambda: machine.now)
    docket.drop_oldest(50, before_ns=2**63 - 1, entry="x")
    machine.pipeline.checkpoint()
    machine.ledger.shrink()
    machine.ledger.close()
    machine.raw_log.close()
    return tmp_path


def waits(ledger: Ledger) -> tuple[int, int]:
    return count_waiting(ledger.db), count_undelivered(ledger.db)


def spoil(folder: Path, table: str) -> None:
    """Overwrite the first leaf of a table, whatever page it is on."""
    path = folder / "ledger.db"
    with sqlite3.connect(path) as db:
        (page,) = db.execute(
            "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path LIMIT 1", (table,)
        ).fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xee" * 4096)


def test_damage_among_the_questions_costs_some_of_them_and_nothing_else(folder: Path) -> None:
    before = Ledger(folder / "ledger.db")
    waiting, undelivered = waits(before)
    position = before.db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone()
    before.close()
    spoil(folder, "request")

    ledger = Ledger(folder / "ledger.db")
    assert ledger.revision == ledger.set_aside == 1
    assert waiting - 20 < waits(ledger)[0] <= waiting
    assert waits(ledger)[1] == undelivered
    assert ledger.db.execute("SELECT value FROM meta WHERE key = 'position'").fetchone() == position
    ledger.close()


def test_a_fold_that_is_not_whole_begins_anew_and_the_questions_stay(folder: Path) -> None:
    before = waits(sound := Ledger(folder / "ledger.db"))
    sound.close()
    spoil(folder, "state")

    ledger = Ledger(folder / "ledger.db")
    assert waits(ledger) == before
    for table in ("state", "meta", "book"):
        assert ledger.db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
    ledger.close()


def test_damage_inside_a_value_is_seen_though_sqlite_finds_no_fault(folder: Path) -> None:
    before = Ledger(folder / "ledger.db")
    waiting, _ = waits(before)
    before.db.execute(
        "UPDATE request SET body = x'7b22' WHERE id = (SELECT min(id) FROM request WHERE state = 'waiting')"
    )
    before.close()

    ledger = Ledger(folder / "ledger.db")
    assert ledger.revision == 1
    assert waits(ledger)[0] == waiting - 1
    ledger.close()


@pytest.mark.parametrize("content", [b"", b"this is no database" * 1000])
def test_a_file_of_which_nothing_can_be_read_costs_no_start(folder: Path, content: bytes) -> None:
    for file in folder.glob("ledger.db*"):
        file.unlink()
    (folder / "ledger.db").write_bytes(content)
    ledger = Ledger(folder / "ledger.db")
    assert waits(ledger) == (0, 0)
    assert ledger.revision == (1 if content else 0)
    ledger.close()


def test_of_the_ledgers_that_were_set_aside_the_newest_are_kept_and_numbers_never_come_again(tmp_path: Path) -> None:
    for number in range(1, 6):
        (tmp_path / "ledger.db").write_bytes(b"this is no database" * 1000)
        (tmp_path / "ledger.db-wal").write_bytes(b"nor a log")
        ledger = Ledger(tmp_path / "ledger.db")
        assert ledger.revision == number
        assert ledger.set_aside <= 2
        ledger.close()


def test_a_ledger_that_was_set_back_behind_the_raw_log_says_what_is_gone(folder: Path) -> None:
    """Its own log was damaged, and SQLite has passed over what came after that; the entries are released already."""
    machine = Machine.__new__(Machine)
    machine.folder, machine.bundle, machine.now = folder, a_bundle(a_graph(question=Question())), 0
    machine._boot()
    machine.raw_log.start_at(5000)
    machine.raw_log.append([a_message(at=500.0)])
    machine.raw_log.release(4000)
    again = Pipeline(machine.ledger, machine.raw_log, Site("edge-1", "uid", 0), lambda: 0)
    assert again.fold.books.all()["", "", "lost"] == 5000 - 601
    machine.ledger.close()
    machine.raw_log.close()
