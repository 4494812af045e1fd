"""From a ledger that was set aside into the new one: whatever can still be read of it.

Questions and answers are of worth one by one. The state of the fold, its position and its books are of worth together
or not at all: half of them would fold again what is told already.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

_FOLD: Final = {"meta": ("key",), "state": ("graph", "partition"), "book": ("graph", "source", "entry")}
_SINGLY: Final = {"request": ("rowid",), "answer": ("seq",), "finding": ("id",), "quiet": ("seq",)}
"""Tables, and the columns in whose order they lie."""


class Salvaged(msgspec.Struct, frozen=True):
    """What came over."""

    rows: dict[str, int]
    """By table."""
    fold: bool
    """Whether the state of the fold is whole, so that it goes on where it was."""


def salvage(damaged: Path, into: sqlite3.Connection, *, fold: bool) -> Salvaged:
    """Copy what can be read, all in one transaction; `fold` tells whether its state is wanted."""
    rows: dict[str, int] = {}
    with closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        into.execute("BEGIN IMMEDIATE")
        for table, order in _SINGLY.items():
            rows[table], _ = _copy(old, into, table, order)
        whole = fold and all(_copy(old, into, table, order)[1] for table, order in _FOLD.items())
        if not whole:
            for table in _FOLD:
                into.execute(f"DELETE FROM {table}")  # noqa: S608 - ours
        into.execute("COMMIT")
    return Salvaged(rows, whole)


def _copy(old: sqlite3.Connection, into: sqlite3.Connection, table: str, order: tuple[str, ...]) -> tuple[int, bool]:
    """Copy a table from both ends to where it is damaged; return how many rows came over, and whether that is all."""
    columns = [name for _, name, *_ in into.execute(f"PRAGMA table_info({table})")]
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - ours
    copied, whole = 0, True
    for direction in ("ASC", "DESC"):
        by = ", ".join(f"{each} {direction}" for each in order)
        query = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {by}"  # noqa: S608 - ours
        for row in _readable(old, query):
            if row is None or not _sound(dict(zip(columns, row, strict=True))):
                whole = False
                continue
            try:
                copied += into.execute(insert, row).rowcount
            except sqlite3.IntegrityError:  # of a type that the column does not take
                whole = False
        if whole:
            break
    return copied, whole


def _readable(db: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...] | None]:
    """Yield rows up to the first that cannot be read, and None for that one."""
    try:
        yield from db.execute(query)
    except sqlite3.Error:
        yield None


def _sound(row: dict[str, object]) -> bool:
    """Tell whether a row holds what it should: a body is JSON, or empty once nobody needs it."""
    body = row.get("body", b"")
    try:
        return isinstance(body, bytes) and (not body or msgspec.json.decode(body) is not None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
