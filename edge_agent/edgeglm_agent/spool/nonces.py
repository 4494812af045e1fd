"""The nonces of commands that were heeded lately: few, so they lie in one row of the ledger."""

import sqlite3
from collections.abc import Mapping
from typing import Final

import msgspec

_KEY: Final = "nonces"


def nonces(db: sqlite3.Connection) -> dict[str, int]:
    """Return each with the time at which it arrived."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_KEY,)).fetchone()
    return msgspec.json.decode(row[0], type=dict[str, int]) if row else {}


def save_nonces(db: sqlite3.Connection, known: Mapping[str, int]) -> None:
    """Write all; call inside a transaction."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_KEY, msgspec.json.encode(known)))
