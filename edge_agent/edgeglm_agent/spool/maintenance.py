"""The maintenance spans in the ledger: few, so they lie in one row."""

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from edgeglm_agent.findings.maintenance import Maintenance

_KEY: Final = "maintenance"


def maintenance_spans(db: sqlite3.Connection) -> list[Maintenance]:
    """Return all that are kept."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_KEY,)).fetchone()
    return msgspec.json.decode(row[0], type=list[Maintenance]) if row else []


def save_maintenance(db: sqlite3.Connection, spans: Sequence[Maintenance]) -> None:
    """Write all; call inside a transaction."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_KEY, msgspec.json.encode(spans)))
