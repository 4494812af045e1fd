"""The table of windows that nobody is asked about, and whose turn has not come: an older one waits for its answer.

Windows that follow each other and are alike lie in one row, so there are few: about as many as requests that wait.
"""

import sqlite3
from typing import Final

import msgspec

from edgeglm_agent.findings.life import Series
from edgeglm_agent.reason.request import Request

MAX_ROWS: Final = 64
"""Of a partition. Beyond it, evidence of one window counts for its whole row: a finding may clear late, never early."""


class QuietWindow(msgspec.Struct, frozen=True):
    """A window, or a run of them."""

    request: Request
    """What names the last of them, without its graph."""
    since_ns: int
    """The start of the first window that an answer covers."""
    evidence: frozenset[Series]
    tell: bool
    """Whether a heartbeat is due."""
    windows: int = 1


def put_aside(db: sqlite3.Connection, quiet: QuietWindow, *, behind_ns: int) -> None:
    """Keep a window until its turn; `behind_ns` is the start of the newest request that comes before it."""
    request = quiet.request
    where = (request.graph_uid, request.partition)
    rows, newest = db.execute(
        "SELECT count(*), max(seq) FROM quiet WHERE graph = ? AND partition = ?", where
    ).fetchone()
    found = db.execute("SELECT body FROM quiet WHERE seq = ? AND start_ns > ?", (newest, behind_ns)).fetchone()
    last = msgspec.json.decode(found[0], type=QuietWindow) if found else None
    if last is not None and not last.tell and (rows >= MAX_ROWS or _alike(last, quiet)):
        db.execute("UPDATE quiet SET body = ? WHERE seq = ?", (msgspec.json.encode(_joined(last, quiet)), newest))
        return
    db.execute(
        "INSERT INTO quiet (graph, partition, start_ns, body) VALUES (?, ?, ?, ?)",
        (*where, request.start_ns, msgspec.json.encode(quiet)),
    )


def take_before(db: sqlite3.Connection, graph: str, partition: str, before_ns: int | None) -> list[QuietWindow]:
    """Take out the windows that began before a moment, or all, oldest first."""
    rows = db.execute(
        "SELECT seq, body FROM quiet WHERE graph = ? AND partition = ? AND start_ns < ? ORDER BY seq",
        (graph, partition, 2**63 - 1 if before_ns is None else before_ns),
    ).fetchall()
    db.executemany("DELETE FROM quiet WHERE seq = ?", [(seq,) for seq, _ in rows])
    return [msgspec.json.decode(body, type=QuietWindow) for _, body in rows]


def _joined(last: QuietWindow, quiet: QuietWindow) -> QuietWindow:
    return msgspec.structs.replace(
        quiet,
        since_ns=min(last.since_ns, quiet.since_ns),
        evidence=last.evidence | quiet.evidence,
        windows=last.windows + quiet.windows,
    )


def _alike(one: QuietWindow, other: QuietWindow) -> bool:
    return one.evidence == other.evidence and not other.tell and one.request.findings == other.request.findings
