"""What cannot be used is kept within bounds, with its reason, and goes again when the rules are mended."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.spool import dead_letters
from edgeglm_agent.spool.dead_letters import MAX_BYTES, Choice, DeadLetter, bury, count_dead, exhume, find
from edgeglm_agent.spool.entry import Message, Redriven
from edgeglm_agent.spool.ledger import MIGRATIONS, SCHEMA_VERSION, Ledger
from edgeglm_api.bundle import Limits
from edgeglm_api.sensor_graph import Measurement
from tests.edge.bundles import GRAPH_UID, a_bundle, a_graph, a_source

from .machine import Machine
from .observations import SECOND, a_message


def a_letter(payload: bytes = b"?", *, graph: str = "g", reason: str = "not_json") -> DeadLetter:
    message = a_message(at=1, payload=payload, size=len(payload))
    return DeadLetter(graph, "vibration", reason, message)


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    return Ledger(tmp_path / "ledger.db").db


def test_letters_are_found_by_number_graph_and_reason(db: sqlite3.Connection) -> None:
    bury(db, [a_letter(), a_letter(graph="h"), a_letter(reason="missing")], MAX_BYTES)
    assert [each.seq for each in find(db, Choice(), limit=10)] == [1, 2, 3]
    assert [each.seq for each in find(db, Choice(graph="g"), limit=1)] == [1]
    assert [each.seq for each in find(db, Choice(graph="g", reason="missing"), limit=10)] == [3]
    assert [each.seq for each in find(db, Choice(seqs=(3, 2, 99)), limit=10)] == [2, 3]
    exhume(db, [2])
    bury(db, [a_letter()], MAX_BYTES)
    assert [each.seq for each in find(db, Choice(), limit=10)] == [1, 3, 4], "a number is never used twice"


def test_the_oldest_are_forgotten_beyond_either_bound(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "MAX_LETTERS", 3)
    assert bury(db, [a_letter() for _ in range(5)], MAX_BYTES) == 2
    assert [each.seq for each in find(db, Choice(), limit=10)] == [3, 4, 5]
    assert bury(db, [a_letter(b"x" * 1000), a_letter(b"x" * 1000)], 2500) == 2
    assert bury(db, [a_letter(b"x" * 1000)], 2500) == 2, (
        "with 3 KiB the oldest of the three and the short one before it go"
    )
    assert count_dead(db) == (2, 2000)


def test_of_a_long_payload_the_beginning_is_kept(db: sqlite3.Connection) -> None:
    bury(db, [a_letter(b"x" * 100_000)], MAX_BYTES)
    (letter,) = find(db, Choice(), limit=1)
    assert (len(letter.message.payload), letter.message.size, letter.whole) == (16 * 1024, 100_000, False)


def test_a_ledger_of_the_first_version_is_migrated(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "ledger.db")
    old.executescript(MIGRATIONS[0])
    old.executescript("PRAGMA user_version = 1; INSERT INTO book VALUES ('g', 's', 'received', 5);")
    old.close()
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert ledger.db.execute("SELECT n FROM book").fetchone() == (5,)
    bury(ledger.db, [a_letter()], MAX_BYTES)


# With the fold.

BAD = b'{"ts": 100, "value": 2}'


def a_misfit(at: float = 100.0) -> Message:
    """A message that the rules of `a_graph` cannot read, and those of MENDED can."""
    return a_message(at=at, payload=BAD, size=len(BAD))


MENDED = a_bundle(a_graph(sources=(a_source(measurements=(Measurement(property="rms", path="$.value"),)),)))


def letters(machine: Machine) -> list[DeadLetter]:
    machine.pipeline.checkpoint()
    return find(machine.ledger.db, Choice(), limit=100)


def redriven(letter: DeadLetter, *, at: float = 101.0) -> Redriven:
    return Redriven(round(at * SECOND), letter.seq, letter.graph, letter.source, letter.message)


def test_dead_messages_are_kept_with_their_reason_and_a_crash_neither_loses_nor_doubles_them(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.hear(a_misfit(), msgspec.structs.replace(a_misfit(), topic="strange/topic"))
    machine.fold_all()
    machine.crash()
    machine.fold_all()
    kept = letters(machine)
    assert [(each.graph, each.source, each.reason) for each in kept] == [
        (GRAPH_UID, "vibration", "missing"),
        ("", "", "unmatched"),
    ]
    assert kept[0].message == a_misfit()
    machine.books()


def test_after_the_rules_are_mended_a_letter_goes_again_and_the_books_balance(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.hear(a_misfit())
    machine.fold_all()
    (letter,) = letters(machine)
    machine.bundle = MENDED
    machine.pipeline.apply(MENDED)
    machine.hear(redriven(letter), redriven(letter))
    machine.fold_all()
    machine.crash()
    machine.hear(redriven(letter))
    machine.fold_all()
    assert letters(machine) == []
    books = machine.books()
    source = (GRAPH_UID, "vibration")
    assert {entry: n for (*where, entry), n in books.items() if tuple(where) == source} == {
        "received": 2,
        "dead.missing": 1,
        "redriven": 1,
    }, "one is pending now; asking for it thrice brought it once"


def test_a_letter_that_is_still_wrong_dies_again_under_a_new_number(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.hear(a_misfit())
    machine.fold_all()
    (letter,) = letters(machine)
    machine.hear(redriven(letter))
    machine.fold_all()
    (again,) = letters(machine)
    assert (again.seq, again.message) == (letter.seq + 1, letter.message)
    machine.books()


def test_a_letter_goes_only_to_whom_it_was_dead_for(tmp_path: Path) -> None:
    """Two graphs hear the topic; one could read the message, the other could not."""
    other = msgspec.structs.replace(MENDED.graphs[0], uid="other", name="other")
    machine = Machine(tmp_path, a_bundle(a_graph(), other))
    machine.hear(a_misfit())
    machine.fold_all()
    (letter,) = letters(machine)
    machine.hear(redriven(letter))
    machine.fold_all()
    books = machine.books()
    assert books["other", "vibration", "received"] == 1
    assert books[GRAPH_UID, "vibration", "received"] == 2


def test_of_a_graph_that_is_gone_a_letter_dies_unmatched(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.hear(a_misfit())
    machine.fold_all()
    (letter,) = letters(machine)
    machine.pipeline.apply(a_bundle(a_graph(uid="another")))
    machine.hear(redriven(letter))
    machine.fold_all()
    assert machine.books()["", "", "dead.unmatched"] == 1


def test_of_a_flood_of_garbage_some_is_kept_and_all_is_counted(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.hear(*(a_misfit() for _ in range(700)))
    machine.fold_all()
    machine.pipeline.checkpoint()
    assert count_dead(machine.ledger.db)[0] == 500
    assert machine.books()["", "", "dead_letters.unkept"] == 200
    assert machine.books()[GRAPH_UID, "vibration", "dead.missing"] == 700


def test_a_full_disk_does_not_bury_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path)
    machine.hear(a_misfit())
    machine.fold_all()
    with monkeypatch.context() as patch:
        patch.setattr("edgeglm_agent.pipeline.pipeline.checkpoints.save", _full)
        with pytest.raises(sqlite3.OperationalError):
            machine.pipeline.checkpoint()
    assert len(letters(machine)) == 1


def _full(*_: object, **__: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_letters_take_no_more_than_their_share_of_a_small_spool(tmp_path: Path) -> None:
    """Else somebody who sends garbage fills the spool for good, and nothing is acknowledged any more."""
    small = a_bundle(limits=Limits(spool_max_bytes=8 * 1024 * 1024, max_concurrency=1))
    machine = Machine(tmp_path, small)
    for second in range(200):
        machine.hear(msgspec.structs.replace(a_message(at=100.0 + second), payload=b"x" * 10_000, size=10_000))
    machine.fold_all()
    machine.pipeline.checkpoint()
    kept, size = count_dead(machine.ledger.db)
    assert size <= 1024 * 1024
    assert 0 < kept < 200
