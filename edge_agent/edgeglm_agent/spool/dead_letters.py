"""The table of dead letters: messages of which nothing could be used, each with its reason, within bounds.

A letter whose payload is kept whole can be driven through the fold again, when the rules that refused it were mended.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from edgeglm_agent.spool.entry import Message

MAX_LETTERS: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of payloads, in a spool that is large enough; beyond either bound the oldest are forgotten, and counted."""
MAX_PAYLOAD_BYTES: Final = 16 * 1024
"""Of one letter; of a longer payload the beginning is kept, for people."""


class DeadLetter(msgspec.Struct, frozen=True):
    """One message that came to nothing."""

    graph: str
    """The graph's uid; empty when no source of any graph has the topic."""
    source: str
    reason: str
    message: Message
    """As it was received, its payload maybe cut."""
    seq: int = 0
    """Its number; 0 until it is stored."""

    @property
    def whole(self) -> bool:
        """Whether all of the payload is kept."""
        return len(self.message.payload) == self.message.size


class Choice(msgspec.Struct, frozen=True):
    """Which letters are meant: by number, or all of a graph, a reason, or both."""

    seqs: tuple[int, ...] = ()
    graph: str = ""
    """A uid."""
    reason: str = ""


def bury(db: sqlite3.Connection, letters: Iterable[DeadLetter], max_bytes: int) -> int:
    """Store letters, forget the oldest beyond the bounds, and return how many were forgotten."""
    db.executemany(
        "INSERT INTO dead (graph, source, reason, payload_bytes, message) VALUES (?, ?, ?, ?, ?)",
        [(each.graph, each.source, each.reason, *_kept(each.message)) for each in letters],
    )
    cursor = db.execute(
        "DELETE FROM dead WHERE seq <= (SELECT max(seq) FROM (SELECT seq,"
        " row_number() OVER newest AS n, sum(payload_bytes) OVER newest AS bytes FROM dead"
        " WINDOW newest AS (ORDER BY seq DESC)) WHERE n > ? OR bytes > ?)",
        (MAX_LETTERS, max_bytes),
    )
    return cursor.rowcount


def find(db: sqlite3.Connection, choice: Choice, *, limit: int) -> list[DeadLetter]:
    """Return the letters of a choice, oldest first."""
    rows = db.execute(
        "SELECT seq, graph, source, reason, message FROM dead"
        " WHERE (?1 = '' OR graph = ?1) AND (?2 = '' OR reason = ?2)"
        " AND (?3 = '[]' OR seq IN (SELECT value FROM json_each(?3))) ORDER BY seq LIMIT ?4",
        (choice.graph, choice.reason, msgspec.json.encode(choice.seqs).decode(), limit),
    )
    return [
        DeadLetter(graph, source, reason, msgspec.msgpack.decode(message, type=Message), seq)
        for seq, graph, source, reason, message in rows
    ]


def exhume(db: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """Take letters out: they are on their way again."""
    db.executemany("DELETE FROM dead WHERE seq = ?", [(seq,) for seq in seqs])


def count_dead(db: sqlite3.Connection) -> tuple[int, int]:
    """Return the number of letters, and the bytes of their payloads."""
    number, total = db.execute("SELECT count(*), coalesce(sum(payload_bytes), 0) FROM dead").fetchone()
    return int(number), int(total)


def _kept(message: Message) -> tuple[int, bytes]:
    kept = msgspec.structs.replace(message, payload=message.payload[:MAX_PAYLOAD_BYTES])
    return len(kept.payload), msgspec.msgpack.encode(kept)
