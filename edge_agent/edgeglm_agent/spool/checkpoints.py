"""The checkpoint: the state of the fold after a number of entries, and the books that go with it."""

import sqlite3
from collections.abc import Iterable, Mapping

import msgspec

Book = tuple[str, str, str]
"""Graph uid, source, entry."""


class Snapshot(msgspec.Struct, frozen=True):
    """What is restored at start."""

    position: int
    """The number of the first entry that is not folded in."""
    fold: bytes
    """State that belongs to no partition; empty when there never was a checkpoint."""
    partitions: dict[tuple[str, str], bytes]
    """By graph uid and name; the name "" holds its eras, another that is no id its relations."""
    books: dict[Book, int]


def load(db: sqlite3.Connection) -> Snapshot:
    """Return the last checkpoint."""
    meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
    return Snapshot(
        position=int(meta.get("position", b"1")),
        fold=bytes(meta.get("fold", b"")),
        partitions={(graph, name): body for graph, name, body in db.execute("SELECT * FROM state")},
        books={(graph, source, entry): n for graph, source, entry, n in db.execute("SELECT * FROM book")},
    )


def save(
    db: sqlite3.Connection,
    *,
    position: int,
    fold: bytes,
    partitions: Iterable[tuple[str, str, bytes]],
    books: Mapping[Book, int],
) -> None:
    """Write what changed since the last checkpoint; call inside a transaction."""
    db.executemany(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
        [("position", str(position).encode()), ("fold", fold)],
    )
    db.executemany("INSERT OR REPLACE INTO state (graph, partition, body) VALUES (?, ?, ?)", partitions)
    save_books(db, books)


def save_books(db: sqlite3.Connection, books: Mapping[Book, int]) -> None:
    """Write changed counters."""
    db.executemany(
        "INSERT OR REPLACE INTO book (graph, source, entry, n) VALUES (?, ?, ?, ?)",
        [(*key, n) for key, n in books.items()],
    )


def load_books(db: sqlite3.Connection, prefix: str) -> dict[Book, int]:
    """Return the counters whose entry begins so."""
    rows = db.execute("SELECT graph, source, entry, n FROM book WHERE entry GLOB ? || '*'", (prefix,))
    return {(graph, source, entry): n for graph, source, entry, n in rows}


def add_to_book(db: sqlite3.Connection, book: Book, n: int = 1) -> None:
    """Count something that the fold does not know of."""
    db.execute(
        "INSERT INTO book (graph, source, entry, n) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (graph, source, entry) DO UPDATE SET n = n + excluded.n",
        (*book, n),
    )


def forget_graph(db: sqlite3.Connection, graph: str) -> None:
    """Drop the state of a graph that is gone; its books stay."""
    db.execute("DELETE FROM state WHERE graph = ?", (graph,))
