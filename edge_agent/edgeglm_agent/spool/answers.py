"""The table of answers: one a request, its bytes never change, kept until the broker has it.

An answer in which nothing is new is kept beside those that were delivered, and never sent.
"""

import sqlite3
from collections import Counter
from typing import Final

import msgspec

KEEP_DELIVERED: Final = 1000


class StoredAnswer(msgspec.Struct, frozen=True):
    """An answer on its way out."""

    seq: int
    request_id: str
    topic: str
    qos: int
    retain: bool
    body: bytes


class NewAnswer(msgspec.Struct, frozen=True):
    """An answer to be stored."""

    request_id: str
    broker: str
    topic: str
    qos: int
    retain: bool
    body: bytes
    news: bool
    """Whether it is to be sent."""
    end_ns: int
    """The end of the last window that it tells of: its age."""


def has_answer(db: sqlite3.Connection, request_id: str) -> bool:
    """Tell whether a request has its answer."""
    return db.execute("SELECT 1 FROM answer WHERE request_id = ?", (request_id,)).fetchone() is not None


def insert_answer(db: sqlite3.Connection, answer: NewAnswer) -> None:
    """Store the answer to a request that has none."""
    db.execute(
        "INSERT INTO answer (request_id, broker, topic, qos, retain, delivered, body, end_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            answer.request_id,
            answer.broker,
            answer.topic,
            answer.qos,
            int(answer.retain),
            int(not answer.news),
            answer.body,
            answer.end_ns,
        ),
    )
    if not answer.news:
        _forget_oldest(db)


def undelivered(db: sqlite3.Connection, broker: str, *, after: int, limit: int) -> list[StoredAnswer]:
    """Return the next answers for a broker, oldest first."""
    rows = db.execute(
        "SELECT seq, request_id, topic, qos, retain, body FROM answer"
        " WHERE broker = ? AND delivered = 0 AND seq > ? ORDER BY seq LIMIT ?",
        (broker, after, limit),
    )
    return [StoredAnswer(seq, rid, topic, qos, bool(retain), body) for seq, rid, topic, qos, retain, body in rows]


def mark_delivered(db: sqlite3.Connection, seqs: list[int]) -> None:
    """Note that the broker has taken these over, and forget the oldest of those that it had long."""
    db.executemany("UPDATE answer SET delivered = 1 WHERE seq = ?", [(seq,) for seq in seqs])
    _forget_oldest(db)


def drop_undelivered(db: sqlite3.Connection, *, before_ns: int, most: int) -> Counter[str]:
    """Give up on the oldest answers that tell of a time before a moment; return how many, by the uid of their graph."""
    rows = db.execute(
        "SELECT seq, coalesce(graph, '') FROM answer LEFT JOIN request ON request.id = request_id"
        " WHERE delivered = 0 AND answer.end_ns < ? ORDER BY seq LIMIT ?",
        (before_ns, most),
    ).fetchall()
    # The row stays a while, so that the request stays answered.
    db.executemany("UPDATE answer SET delivered = 1, body = x'' WHERE seq = ?", [(seq,) for seq, _ in rows])
    return Counter(graph for _, graph in rows)


def count_undelivered(db: sqlite3.Connection) -> int:
    """Return how many answers still have to reach their broker."""
    return int(db.execute("SELECT count(*) FROM answer WHERE delivered = 0").fetchone()[0])


def _forget_oldest(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM answer WHERE delivered = 1 AND seq <= (SELECT max(seq) FROM answer) - ?", (KEEP_DELIVERED,))
