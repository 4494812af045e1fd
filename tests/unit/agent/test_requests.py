"""The table of requests keeps what an older agent wrote."""

import sqlite3
from pathlib import Path

from edgeglm_agent.spool.ledger import MIGRATIONS, Ledger
from edgeglm_agent.spool.requests import waiting

BEFORE_PRIORITIES = 4
"""The version of the schema."""


def test_what_waits_since_before_there_were_priorities_has_the_usual_one(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "ledger.db")
    db.executescript("".join(MIGRATIONS[:BEFORE_PRIORITIES]) + f"PRAGMA user_version = {BEFORE_PRIORITIES};")
    db.execute("INSERT INTO request VALUES ('r1', 'g', 'p', 0, 10, 40, '', 0, 'waiting', '', x'7b7d')")
    db.commit()
    db.close()
    ledger = Ledger(tmp_path / "ledger.db")
    assert [(row.id, row.priority) for row in waiting(ledger.db)] == [("r1", "Normal")]
    ledger.close()
