"""The table of findings: each with its life, as long as it has one."""

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec

from edgeglm_agent.findings.life import Life

MAX_OF_A_GRAPH: Final = 1024
"""Beyond it those that were seen longest ago are forgotten, and counted; strangers may invent entities."""


class StoredFinding(msgspec.Struct, frozen=True):
    """A finding and where it belongs."""

    id: str
    graph: str
    """A uid."""
    partition: str
    life: Life


def findings_of(db: sqlite3.Connection, graph: str, partition: str) -> list[StoredFinding]:
    """Return the findings of a partition, oldest first."""
    return _read(
        db.execute(
            "SELECT id, graph, partition, body FROM finding WHERE graph = ? AND partition = ? ORDER BY opened_ns, id",
            (graph, partition),
        )
    )


def all_findings(db: sqlite3.Connection) -> list[StoredFinding]:
    """Return all findings of the site, by graph and partition, oldest first."""
    return _read(db.execute("SELECT id, graph, partition, body FROM finding ORDER BY graph, partition, opened_ns, id"))


def find_finding(db: sqlite3.Connection, finding_id: str) -> StoredFinding | None:
    """Return one finding."""
    rows = db.execute("SELECT id, graph, partition, body FROM finding WHERE id = ?", (finding_id,))
    return next(iter(_read(rows)), None)


def save_findings(db: sqlite3.Connection, findings: Iterable[StoredFinding]) -> None:
    """Write findings."""
    db.executemany(
        "INSERT OR REPLACE INTO finding (id, graph, partition, opened_ns, seen_ns, body) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                each.id,
                each.graph,
                each.partition,
                each.life.opened_ns,
                each.life.seen_ns,
                msgspec.json.encode(each.life),
            )
            for each in findings
        ],
    )


def forget_findings(db: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Drop findings."""
    db.executemany("DELETE FROM finding WHERE id = ?", [(each,) for each in ids])


def bound_findings(db: sqlite3.Connection, graph: str) -> int:
    """Forget those of a graph that are too many; return how many that are."""
    # Counted first: that takes the index alone, and sorting a thousand took 2 ms for each finding that opened.
    (number,) = db.execute("SELECT count(*) FROM finding WHERE graph = ?", (graph,)).fetchone()
    if number <= MAX_OF_A_GRAPH:
        return 0
    return db.execute(
        "DELETE FROM finding WHERE id IN (SELECT id FROM finding WHERE graph = ? ORDER BY seen_ns, id DESC LIMIT ?)",
        (graph, number - MAX_OF_A_GRAPH),
    ).rowcount


def forget_findings_of_others(db: sqlite3.Connection, graphs: Iterable[str]) -> None:
    """Drop the findings of all graphs but these: nobody looks after them any more."""
    db.execute(
        "DELETE FROM finding WHERE graph NOT IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(list(graphs)).decode(),),
    )


def _read(rows: Iterable[tuple[str, str, str, bytes]]) -> list[StoredFinding]:
    return [
        StoredFinding(finding_id, graph, partition, msgspec.json.decode(body, type=Life))
        for finding_id, graph, partition, body in rows
    ]
