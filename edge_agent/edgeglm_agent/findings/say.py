"""What people say of findings, however it reaches us: looked at, noted in the ledger, counted. In one transaction."""

import hashlib
import sqlite3
from typing import Annotated, Final, Literal

import msgspec

from edgeglm_agent.findings.book import FINDINGS
from edgeglm_agent.findings.life import Life
from edgeglm_agent.findings.maintenance import MAX_SECONDS, Maintenance, begun, ended
from edgeglm_agent.findings.word import MAX_BY_CHARS, MAX_NOTE_CHARS, MAX_SHELVED_SECONDS, Word
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.spool.checkpoints import add_to_book
from edgeglm_agent.spool.findings import StoredFinding, find_finding, save_findings
from edgeglm_agent.spool.maintenance import maintenance_spans, save_maintenance
from edgeglm_api.bundle import canonical

By = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_BY_CHARS)]
Note = Annotated[str, msgspec.Meta(max_length=MAX_NOTE_CHARS)]
Id = Annotated[str, msgspec.Meta(max_length=64)]
MAX_PARTITION_CHARS: Final = 256
_YEAR_2100_NS: Final = 4_102_444_800 * NANOS_PER_SECOND


class Saying(msgspec.Struct, frozen=True):
    """What somebody says of a finding."""

    id: Id
    kind: Literal["Acknowledged", "Shelved", "Unshelved"]
    by: By
    note: Note = ""
    seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_SHELVED_SECONDS)] = 8 * 3600
    """For how long it is shelved."""


class Beginning(msgspec.Struct, frozen=True):
    """That somebody works at what a graph watches."""

    by: By
    note: Note = ""
    partition: Annotated[str, msgspec.Meta(max_length=MAX_PARTITION_CHARS)] = ""
    """Empty: all of it."""
    seconds: Annotated[int, msgspec.Meta(ge=1, le=MAX_SECONDS)] = 3600
    from_ns: Annotated[int, msgspec.Meta(ge=0, le=_YEAR_2100_NS)] = 0
    """0: now."""


class Ending(msgspec.Struct, frozen=True):
    """That the work is done."""

    id: Id


def heed(db: sqlite3.Connection, saying: Saying, now_ns: int, *, graph: str = "") -> StoredFinding | None:
    """Note what is said of a finding, and return it as it is now.

    None when there is no such finding (of the graph with this uid, if one is given), or it is over.
    """
    found = find_finding(db, saying.id)
    if found is None or graph not in {"", found.graph} or (found.life.over and saying.kind != "Unshelved"):
        return None
    after = msgspec.structs.replace(found, life=_said(found.life, saying, now_ns))
    save_findings(db, [after])
    add_to_book(db, (found.graph, "", FINDINGS + saying.kind.lower()))
    return after


def begin(db: sqlite3.Connection, beginning: Beginning, graph: str, now_ns: int) -> Maintenance:
    """Note that maintenance of a graph begins, and return it; raises TooMany."""
    from_ns = beginning.from_ns or now_ns
    until_ns = from_ns + beginning.seconds * NANOS_PER_SECOND
    mark = hashlib.sha256(canonical([graph, beginning.partition, from_ns, until_ns, beginning.by])).hexdigest()[:16]
    span = Maintenance(mark, graph, from_ns, until_ns, beginning.by, beginning.partition, beginning.note)
    save_maintenance(db, begun(maintenance_spans(db), span, now_ns))
    add_to_book(db, (graph, "", f"{FINDINGS}maintenance"))
    return span


def end(db: sqlite3.Connection, ending: Ending, now_ns: int, *, graph: str = "") -> Maintenance | None:
    """Let maintenance (of the graph with this uid, if one is given) end now; None when there is none to end."""
    spans = maintenance_spans(db)
    found = next((each for each in spans if each.id == ending.id and graph in {"", each.graph}), None)
    if found is None or found.until_ns <= now_ns:
        return None
    save_maintenance(db, ended(spans, found.id, now_ns))
    return msgspec.structs.replace(found, until_ns=now_ns)


def _said(life: Life, saying: Saying, now_ns: int) -> Life:
    if saying.kind == "Unshelved":
        shelved = life.word is not None and life.word.kind == "Shelved"
        return msgspec.structs.replace(life, word=None) if shelved else life
    until_ns = now_ns + saying.seconds * NANOS_PER_SECOND if saying.kind == "Shelved" else 0
    word = Word(saying.kind, saying.by, now_ns, life.finding.severity, until_ns, saying.note)
    return msgspec.structs.replace(life, word=word)
