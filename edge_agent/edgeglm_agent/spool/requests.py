"""The table of requests: stored once, never recomputed, answered once."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from edgeglm_agent.graph.evidence import speaks_for_itself
from edgeglm_agent.reason.request import Request, decode_request, encode_request
from edgeglm_api.sensor_graph import Priority

MAX_WAITING: Final = 2000
"""Beyond it the fold waits; the raw log grows instead, up to its cap."""


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A request that may be claimed, without its body."""

    id: str
    graph: str
    partition: str
    start_ns: int
    end_ns: int
    expires_ns: int
    signature: str
    breach: bool
    """Whether a limit was passed in it, or a state changed."""
    priority: Priority = "Normal"


def insert_requests(db: sqlite3.Connection, requests: Iterable[Request]) -> None:
    """Store new requests; one that is known already stays as it is."""
    db.executemany(
        "INSERT OR IGNORE INTO request"
        " (id, graph, partition, start_ns, end_ns, expires_ns, signature, breach, priority, state, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?)",
        [
            (
                request.id,
                request.graph_uid,
                request.partition,
                request.start_ns,
                request.end_ns,
                request.expires_ns,
                request.signature,
                int(speaks_for_itself(request.subject.evidence)),
                request.reasoning.priority,
                encode_request(request),
            )
            for request in requests
        ],
    )


def waiting(db: sqlite3.Connection) -> list[Waiting]:
    """Return all that waits, by graph and partition, oldest first; of one window, the newest revision last."""
    return _waiting(db, "", ())


def waiting_of(db: sqlite3.Connection, graph: str, partition: str) -> list[Waiting]:
    """Return what of one partition waits, in the same order."""
    return _waiting(db, "AND graph = ? AND partition = ?", (graph, partition))


def newest_row(db: sqlite3.Connection) -> int:
    """Return the number of the newest request, 0 when there was none; it grows with each one that is stored."""
    return int(db.execute("SELECT coalesce(max(rowid), 0) FROM request").fetchone()[0])


def arrived(db: sqlite3.Connection, *, after: int) -> list[tuple[str, str]]:
    """Return graph and partition of what is newer than one of these numbers."""
    return db.execute("SELECT DISTINCT graph, partition FROM request WHERE rowid > ?", (after,)).fetchall()


def count_waiting(db: sqlite3.Connection) -> int:
    """Return how many requests wait for an answer."""
    return int(db.execute("SELECT count(*) FROM request WHERE state = 'waiting'").fetchone()[0])


def newest_waiting(db: sqlite3.Connection, graph: str, partition: str, *, before_ns: int) -> int | None:
    """Return the start of the newest window of a partition that waits and began before a moment."""
    return _one(
        db,
        "SELECT max(start_ns) FROM request WHERE state = 'waiting' AND graph = ? AND partition = ? AND start_ns < ?",
        (graph, partition, before_ns),
    )


def oldest_waiting(db: sqlite3.Connection, graph: str, partition: str) -> int | None:
    """Return the start of the oldest window of a partition that waits."""
    return _one(
        db,
        "SELECT min(start_ns) FROM request WHERE state = 'waiting' AND graph = ? AND partition = ?",
        (graph, partition),
    )


def load_request(db: sqlite3.Connection, request_id: str) -> Request:
    """Return a stored request."""
    row = db.execute("SELECT body FROM request WHERE id = ?", (request_id,)).fetchone()
    return decode_request(row[0])


def cover(db: sqlite3.Connection, older: Sequence[str], by: str) -> None:
    """Let one request speak for older ones as well, and for those that they spoke for."""
    for request_id in older:
        db.execute("UPDATE request SET covered_by = ? WHERE state = 'covered' AND covered_by = ?", (by, request_id))
        db.execute("UPDATE request SET state = 'covered', covered_by = ?, body = x'' WHERE id = ?", (by, request_id))


def spans(db: sqlite3.Connection, request_id: str) -> list[tuple[int, int]]:
    """Return the windows that a request speaks for, oldest first."""
    return db.execute(
        "SELECT DISTINCT start_ns, end_ns FROM request WHERE id = ?1 OR (state = 'covered' AND covered_by = ?1)"
        " ORDER BY start_ns",
        (request_id,),
    ).fetchall()


def mark_answered(db: sqlite3.Connection, request_id: str) -> None:
    """Close a request and those that it spoke for; the rows stay a while, so that their ids stay taken."""
    db.execute(
        "UPDATE request SET state = 'answered', body = x'' WHERE id = ?1 OR (state = 'covered' AND covered_by = ?1)",
        (request_id,),
    )


def forget_old(db: sqlite3.Connection, *, keep: int) -> None:
    """Drop the rows of long-closed requests; the checkpoint alone keeps their windows from being folded again.

    The newest row stays in any case, or its number would be given again.
    """
    db.execute("DELETE FROM request WHERE state = 'answered' AND rowid < (SELECT max(rowid) FROM request) - ?", (keep,))


def _waiting(db: sqlite3.Connection, those: str, values: tuple[str, ...]) -> list[Waiting]:
    rows = db.execute(
        "SELECT id, graph, partition, start_ns, end_ns, expires_ns, signature, breach, priority FROM request"  # noqa: S608 - ours
        f" WHERE state = 'waiting' {those} ORDER BY graph, partition, start_ns, end_ns, rowid",
        values,
    )
    return [msgspec.convert(row, Waiting, strict=False) for row in rows]


def _one(db: sqlite3.Connection, query: str, values: tuple[str | int, ...]) -> int | None:
    (found,) = db.execute(query, values).fetchone()
    return None if found is None else int(found)
