"""The ledger: one SQLite file, one connection, one thread.

One connection, because SQLite before 3.51.3 can corrupt a WAL that two connections reset at once
(sqlite.org/wal.html#walresetbug). A file that fails its check is set aside, and what can be read of it is taken over;
the number of such files is the `revision` of every later request id, since what is folded again without the old
checkpoint may hold half the data.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edgeglm_agent.spool.salvage import salvage

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
_PRIORITY_OF_REQUESTS: Final = """
ALTER TABLE request ADD COLUMN priority TEXT NOT NULL DEFAULT 'Normal';
"""
_LATE_REQUESTS: Final = """
ALTER TABLE request ADD COLUMN after_fresh TEXT NOT NULL DEFAULT 'Skip';
ALTER TABLE request ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
"""
_SENDS_OF_REQUESTS: Final = """
ALTER TABLE request ADD COLUMN sends INTEGER NOT NULL DEFAULT 0;
"""
MIGRATIONS: Final = (
    *(_REQUESTS_AND_ANSWERS, _DEAD_LETTERS, _FINDINGS),
    *(_AGE_OF_ANSWERS, _PRIORITY_OF_REQUESTS, _LATE_REQUESTS, _SENDS_OF_REQUESTS),
)
"""What leads from each version of the schema to the next."""
SCHEMA_VERSION: Final = len(MIGRATIONS)

KEEP_DAMAGED: Final = 2
"""The newest of them: its number must not be given twice."""

log = logging.getLogger(__name__)


class LedgerTooNew(RuntimeError):  # noqa: N818 - names the state of the file
    """The file was written by a newer agent."""


class Ledger:
    """Owns the connection. All methods are called on the ledger's thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.db = self._open()
        self.revision = max(_set_aside_before(path), default=0)

    def begin_anew(self, reason: str) -> None:
        """Set the file aside whose fold cannot be read, and take over all but the fold."""
        self.db.close()
        self.db = _replaced(self._path, reason, fold=False)
        self.revision = max(_set_aside_before(self._path))

    @property
    def set_aside(self) -> int:
        """How many damaged ledgers are kept for whoever wants to look."""
        return len(_set_aside_before(self._path))

    def _open(self) -> sqlite3.Connection:
        try:
            return _open(self._path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # a full disk or a lock: the file may be well
                raise
            return _replaced(self._path, str(error), fold=True)

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


def _replaced(path: Path, reason: str, *, fold: bool) -> sqlite3.Connection:
    """Set a damaged file aside and return a new one with what can be read of it."""
    log.error("%s is damaged (%s): set aside, going on with what can be read of it", path.name, reason)
    damaged = _set_aside(path)
    db = _open(path)
    try:
        saved = salvage(damaged, db, fold=fold)
        log.warning("taken over: %s; %s", saved.rows, "the fold goes on" if saved.fold else "the fold begins anew")
    except sqlite3.DatabaseError as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        log.error("nothing can be read of it: %s", error)  # noqa: TRY400 - expected, no stack
    return db


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        _configure(db)
        _check(db)
        _migrate(db)
        _check_bodies(db)
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
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def _check_bodies(db: sqlite3.Connection) -> None:
    """See that what will be decoded is JSON: SQLite has no checksums, so damage inside a value passes its own check."""
    for table, those in (("state", "1"), ("quiet", "1"), ("finding", "1"), ("request", "state = 'waiting'")):
        query = f"SELECT 1 FROM {table} WHERE {those} AND NOT json_valid(CAST(body AS TEXT)) LIMIT 1"  # noqa: S608 - ours
        if db.execute(query).fetchone():
            raise sqlite3.DatabaseError(f"something in {table} is no JSON")


def _migrate(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise LedgerTooNew(f"the ledger is of version {version}, this agent knows {SCHEMA_VERSION}; use a newer agent")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")


def _set_aside(path: Path) -> Path:
    """Rename a damaged file and its log, forget older ones of these, and return the new name."""
    before = _set_aside_before(path)
    number = max(before, default=0) + 1
    aside = path.with_name(f"{path.name}.corrupt-{number}")
    for each in before[: len(before) + 1 - KEEP_DAMAGED]:
        for old in path.parent.glob(f"{path.name}.corrupt-{each}*"):
            old.unlink()
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    path.rename(aside)
    log_file = path.with_name(f"{path.name}-wal")
    if log_file.exists():
        log_file.rename(aside.with_name(f"{aside.name}-wal"))
    return aside


def _set_aside_before(path: Path) -> list[int]:
    """Return the numbers of the damaged files that are kept, oldest first."""
    ends = (each.name.removeprefix(f"{path.name}.corrupt-") for each in path.parent.glob(f"{path.name}.corrupt-*"))
    return sorted(int(end) for end in ends if end.isdecimal())
