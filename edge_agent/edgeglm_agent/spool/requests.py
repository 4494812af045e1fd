"""The table of requests: stored once, never recomputed, answered once."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from edgeglm_agent.graph.evidence import speaks_for_itself
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.reason.request import Request, decode_request, encode_request
from edgeglm_api.sensor_graph import AfterFresh, Priority

_Span = tuple[str, int, int]
"""Id, start and end of what is covered."""

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
    after_fresh: AfterFresh = "Skip"
    late: bool = False
    """Whether it is no longer fresh, and waits all the same."""


def insert_requests(db: sqlite3.Connection, requests: Iterable[Request]) -> None:
    """Store new requests; one that is known already stays as it is."""
    db.executemany(
        "INSERT OR IGNORE INTO request"
        " (id, graph, partition, start_ns, end_ns, expires_ns, signature, breach, priority, after_fresh, late, state,"
        " body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?)",
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
                request.reasoning.after_fresh,
                int(_is_old_news(request)),
                encode_request(request),
            )
            for request in requests
        ],
    )


def _is_old_news(request: Request) -> bool:
    """Tell whether a window was made anew when it was no longer fresh.

    In its turn, which is of who has waited longest, a gateway that sends hours at once would come before all that is
    live.
    """
    fresh_ns = request.reasoning.fresh_for_seconds * NANOS_PER_SECOND
    return request.belated and request.end_ns + fresh_ns < request.expires_ns - fresh_ns


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


def graphs_waiting(db: sqlite3.Connection) -> list[str]:
    """Return the uids of the graphs of which any wait."""
    return [uid for (uid,) in db.execute("SELECT DISTINCT graph FROM request WHERE state = 'waiting' ORDER BY graph")]


def count_late(db: sqlite3.Connection) -> int:
    """Return how many of them are no longer fresh."""
    return int(db.execute("SELECT count(*) FROM request WHERE state = 'waiting' AND late").fetchone()[0])


def mark_late(db: sqlite3.Connection, requests: Iterable[str]) -> None:
    """Let requests wait on, out of their turn."""
    db.executemany("UPDATE request SET late = 1 WHERE id = ?", [(each,) for each in requests])


def newest_waiting(db: sqlite3.Connection, graph: str, partition: str, *, before_ns: int) -> int | None:
    """Return the start of the newest window of a partition that waits for its turn and began before a moment."""
    return _one(
        db,
        "SELECT max(start_ns) FROM request"
        " WHERE state = 'waiting' AND NOT late AND graph = ? AND partition = ? AND start_ns < ?",
        (graph, partition, before_ns),
    )


def oldest_waiting(db: sqlite3.Connection, graph: str, partition: str) -> int | None:
    """Return the start of the oldest window of a partition that waits for its turn."""
    return _one(
        db,
        "SELECT min(start_ns) FROM request WHERE state = 'waiting' AND NOT late AND graph = ? AND partition = ?",
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


def join_covered(db: sqlite3.Connection, by: str, *, most: int) -> None:
    """Keep what a request speaks for in at most so many rows: windows that follow each other as one, and the oldest.

    The rows that go need not keep their ids taken: the checkpoint is past their windows. The newest of all stays, or
    its number would be given again.
    """
    rows = db.execute(
        "SELECT id, start_ns, end_ns FROM request WHERE state = 'covered' AND covered_by = ? ORDER BY start_ns", (by,)
    ).fetchall()
    if len(rows) <= most:
        return
    joined = _joined(rows, lambda last, start_ns: start_ns <= last)
    surplus = len(joined) - most // 2
    if surplus > 0:
        joined = [*_joined(joined[: surplus + 1], lambda _last, _start_ns: True), *joined[surplus + 1 :]]
    kept = {request_id for request_id, _, _ in joined}
    db.executemany(
        "DELETE FROM request WHERE id = ? AND rowid < (SELECT max(rowid) FROM request)",
        [(row[0],) for row in rows if row[0] not in kept],
    )
    db.executemany(
        "UPDATE request SET start_ns = ?, end_ns = ? WHERE id = ?", [(start, end, name) for name, start, end in joined]
    )


def _joined(rows: Iterable[_Span], follows: Callable[[int, int], bool]) -> list[_Span]:
    """Join each with the one before where it follows it, told by that one's end and its own start."""
    joined: list[_Span] = []
    for request_id, start_ns, end_ns in rows:
        if joined and follows(joined[-1][2], start_ns):
            _, since_ns, until_ns = joined.pop()
            joined.append((request_id, since_ns, max(until_ns, end_ns)))
        else:
            joined.append((request_id, start_ns, end_ns))
    return joined


def spans(db: sqlite3.Connection, request_id: str) -> list[tuple[int, int]]:
    """Return the windows that a request speaks for, oldest first."""
    return db.execute(
        "SELECT DISTINCT start_ns, end_ns FROM request WHERE id = ?1 OR (state = 'covered' AND covered_by = ?1)"
        " ORDER BY start_ns",
        (request_id,),
    ).fetchall()


def take_send(db: sqlite3.Connection, request_id: str, *, most: int) -> bool:
    """Count one more send of a request to who charges for it; tell whether there was one left."""
    taken = db.execute("UPDATE request SET sends = sends + 1 WHERE id = ? AND sends < ?", (request_id, most))
    return taken.rowcount > 0


def give_back_send(db: sqlite3.Connection, request_id: str) -> None:
    """Count one fewer."""
    db.execute("UPDATE request SET sends = sends - 1 WHERE id = ? AND sends > 0", (request_id,))


def count_sends(db: sqlite3.Connection, request_id: str) -> int:
    """Return how many there were."""
    return _one(db, "SELECT sends FROM request WHERE id = ?", (request_id,)) or 0


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
        "SELECT id, graph, partition, start_ns, end_ns, expires_ns, signature, breach, priority, after_fresh, late"  # noqa: S608 - ours
        f" FROM request WHERE state = 'waiting' {those} ORDER BY graph, partition, start_ns, end_ns, rowid",
        values,
    )
    return [msgspec.convert(row, Waiting, strict=False) for row in rows]


def _one(db: sqlite3.Connection, query: str, values: tuple[str | int, ...]) -> int | None:
    (found,) = db.execute(query, values).fetchone()
    return None if found is None else int(found)
