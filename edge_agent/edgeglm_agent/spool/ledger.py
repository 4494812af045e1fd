"""The ledger: one SQLite file, one connection, one thread.

One connection, because SQLite before 3.51.3 can corrupt a WAL that two connections reset at once
(sqlite.org/wal.html#walresetbug). A file that fails its check is set aside and counted, never deleted; the count is
the `revision` of every later request id, since what is folded again without the old checkpoint may hold half the
data.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_REQUESTS_AND_ANSWERS: Final = """
CREATE TABLE request (
    id TEXT PRIMARY KEY,
    graph TEXT NOT NULL,
    partition TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    expires_ns INTEGER NOT NULL,
    signature TEXT NOT NULL,
    breach INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'covered', 'answered')),
    covered_by TEXT NOT NULL DEFAULT '',
    body BLOB NOT NULL
) STRICT;
CREATE INDEX request_waiting ON request (graph, partition, start_ns) WHERE state = 'waiting';
CREATE INDEX request_covered ON request (covered_by) WHERE state = 'covered';
CREATE TABLE answer (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL UNIQUE,
    broker TEXT NOT NULL,
    topic TEXT NOT NULL,
    qos INTEGER NOT NULL,
    retain INTEGER NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX answer_pending ON answer (broker, seq) WHERE delivered = 0;
CREATE TABLE book (
    graph TEXT NOT NULL,
    source TEXT NOT NULL,
    entry TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (graph, source, entry)
) STRICT, WITHOUT ROWID;
CREATE TABLE state (
    graph TEXT NOT NULL,
    partition TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (graph, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""
_DEAD_LETTERS: Final = """
CREATE TABLE dead (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    graph TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload_bytes INTEGER NOT NULL,
    message BLOB NOT NULL
) STRICT;
"""
_FINDINGS: Final = """
CREATE TABLE finding (
    id TEXT PRIMARY KEY,
    graph TEXT NOT NULL,
    partition TEXT NOT NULL,
    opened_ns INTEGER NOT NULL,
    seen_ns INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX finding_of_partition ON finding (graph, partition, opened_ns);
CREATE TABLE quiet (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    graph TEXT NOT NULL,
    partition TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX quiet_of_partition ON quiet (graph, partition, seq);
"""
_AGE_OF_ANSWERS: Final = """
ALTER TABLE answer ADD COLUMN end_ns INTEGER NOT NULL DEFAULT 0;
UPDATE answer SET end_ns = coalesce((SELECT end_ns FROM request WHERE id = request_id), 0);
"""
MIGRATIONS: Final = (_REQUESTS_AND_ANSWERS, _DEAD_LETTERS, _FINDINGS, _AGE_OF_ANSWERS)
"""What leads from each version of the schema to the next."""
SCHEMA_VERSION: Final = len(MIGRATIONS)

log = logging.getLogger(__name__)


class LedgerTooNew(RuntimeError):  # noqa: N818 - names the state of the file
    """The file was written by a newer agent."""


class Ledger:
    """Owns the connection. All methods are called on the ledger's thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.db = _open_or_set_aside(path)
        self.revision = len(list(path.parent.glob(f"{path.name}.corrupt-*")))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and durable when it returns."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    @property
    def size_bytes(self) -> int:
        """How much disk the ledger uses, its log included."""
        parts = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def shrink(self) -> None:
        """Give the disk back what is free in the file, and its log."""
        # As a script: `execute` takes one step of it, which is one page.
        self.db.executescript("PRAGMA incremental_vacuum")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        self.db.close()


def _open_or_set_aside(path: Path) -> sqlite3.Connection:
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # a full disk or a lock: the file may be well
            raise
        log.error("%s is damaged (%s): set aside, going on with a new one", path.name, error)  # noqa: TRY400 - expected, no stack
        _set_aside(path)
        return _open(path)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        _configure(db)
        _check(db)
        _migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def _configure(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the file has its first page, or it is not heeded
    db.execute("PRAGMA journal_mode = WAL")
    # Whatever the site's `sync` says: an answer that was sent must not be asked for again after a power cut.
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_size_limit = 4194304")
    db.execute("PRAGMA cache_size = -4096")


def _check(db: sqlite3.Connection) -> None:
    verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def _migrate(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise LedgerTooNew(f"the ledger is of version {version}, this agent knows {SCHEMA_VERSION}; use a newer agent")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")


def _set_aside(path: Path) -> None:
    number = len(list(path.parent.glob(f"{path.name}.corrupt-*"))) + 1
    for suffix in ("-wal", "-shm"):
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(side.with_name(f"{path.name}{suffix}.set-aside-{number}"))
    path.rename(path.with_name(f"{path.name}.corrupt-{number}"))
