"""Reads the raw log, folds it, and commits what came of it.

ONE transaction holds the new requests and answers, what is closed, the baselines, the books, and the position up to
which the raw log is released.
"""

import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

import msgspec

from edgeglm_agent.clock import Clock
from edgeglm_agent.findings import turns
from edgeglm_agent.findings.obey import obey
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.pipeline import books as entries
from edgeglm_agent.pipeline.closed import Closed
from edgeglm_agent.pipeline.dup_tail import TAIL_ENTRIES
from edgeglm_agent.pipeline.fold import BIRTHS, RELATIONS, Fold
from edgeglm_agent.pipeline.judge import ASKED, QUIET, TOLD, Judged, Site, judge
from edgeglm_agent.pipeline.recent import Recent
from edgeglm_agent.spool import checkpoints, dead_letters
from edgeglm_agent.spool.entry import Entry
from edgeglm_agent.spool.findings import forget_findings_of_others
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.quiet_windows import QuietWindow
from edgeglm_agent.spool.raw_log import RawLog
from edgeglm_agent.spool.raw_reader import Chunk, RawReader
from edgeglm_agent.spool.requests import MAX_WAITING, count_waiting, insert_requests
from edgeglm_api.bundle import Bundle, Limits

STEP_ENTRIES: Final = 2000
STEP_NANOS: Final = NANOS_PER_SECOND // 20
"""When so much time went by, others have their turn at the ledger's thread: on a busy machine a step of many entries
takes seconds, and the status waits for it."""
TELL_NANOS: Final = NANOS_PER_SECOND
"""So long at most a window that was closed waits for others while there is a backlog: each commit writes all partitions
that have changed."""
STEP_WINDOWS: Final = 128
"""More are committed in several steps: their questions may be large, and in between somebody looks for room."""
CHECKPOINT_ENTRIES: Final = 100_000
"""So many at most are folded again after a crash; it takes a second or two."""
CHECKPOINT_SECONDS: Final = 5
LETTERS_SHARE: Final = 8
"""Dead letters may take an eighth of the spool: who sends garbage must not fill it."""
WINDOWS: Final = "windows."
REVISED: Final = "revised"
"""What windows that are made anew are counted as; by its verdict, each is counted once."""
FORGOTTEN: Final = "dead_letters.forgotten"
"""Letters that went beyond the bounds of their table; counted in the ledger alone, under no graph and no source."""

log = logging.getLogger(__name__)


class Progress(msgspec.Struct, frozen=True):
    """What a step came to."""

    folded: int = 0
    requests: int = 0
    answers: int = 0
    awaits_time: bool = False
    """Whether something happens when time goes by: windows are open, or somebody may be missed."""
    crowded: bool = False
    """Too many requests wait; nothing was read."""
    made_room: bool = False
    """Something was dropped, as the policy says; there may be more to do at once."""


class Pipeline:
    """Owner of the fold. All methods are called on the ledger's thread."""

    def __init__(self, ledger: Ledger, raw_log: RawLog, site: Site, clock: Clock) -> None:
        self._ledger = ledger
        self._raw_log = raw_log
        self._site = site
        self._clock = clock
        snapshot = checkpoints.load(ledger.db)
        self.fold = Fold(snapshot)
        self.recent = Recent()
        self._saved_position = snapshot.position
        self._saved_ns = clock()
        self._saved_eras: dict[str, bytes] = {}
        self._judged: list[Judged] = []
        self._judged_ns = 0
        """When the first of them was judged."""
        self._owed = False
        """Whether a commit has failed: what it holds comes first."""
        self._ahead: deque[Chunk] = deque()
        """What is read and not folded yet."""
        self._address = ""
        """Of the site, as commands name it."""
        self._gone: set[str] = set()
        raw_log.start_at(snapshot.position)
        self._reader = RawReader(raw_log, _start(raw_log, snapshot.position))
        self._recall(snapshot.position)
        self._note_gap(snapshot.position)
        # What a power cut took from the log under `sync: Normal` is not lost as far as it is folded already.
        self._reader.next = max(self._reader.next, snapshot.position)
        self._max_age_ns: int | None = None
        self._letter_bytes = dead_letters.MAX_BYTES

    @property
    def position(self) -> int:
        """The number of the next entry to fold."""
        if self._ahead:
            return self._ahead[0].first - self._ahead[0].lost
        return self._reader.next

    @property
    def backlog(self) -> int:
        """How many entries are not folded yet."""
        return self._raw_log.next - self.position

    def apply(self, bundle: Bundle) -> Progress:
        """Take on a bundle and commit what that closes."""
        self._bind(bundle.limits)
        before = set(self.fold.graphs)
        self._address = f"{bundle.namespace}/{bundle.site}"
        closed = self.fold.apply(bundle)
        self._gone |= before - set(self.fold.graphs)
        self._judge(closed)
        self.recent.keep(self.fold.graphs)
        progress = self._commit(folded=0)
        with self._ledger.transaction() as db:
            forget_findings_of_others(db, self.fold.graphs)
        return progress

    def step(self) -> Progress:
        """Fold the next entries, and commit when there is something to commit.

        Raises sqlite3.OperationalError when the disk is full; the next step then begins with the same commit.
        """
        if self._owed:
            return self._commit(folded=0)
        if count_waiting(self._ledger.db) >= MAX_WAITING:
            if self._judged:
                return self._commit(folded=0)
            return Progress(crowded=True, awaits_time=self.fold.awaits_time)
        folded = self._fold()
        if self._told_due() or self.fold.said or self._checkpoint_due():
            return self._commit(folded=folded)
        return Progress(folded=folded, awaits_time=self.fold.awaits_time)

    def drop(self) -> Progress:
        """Pass over the next entries instead of folding them, and commit that: the spool is full."""
        dropped = 0
        while dropped < STEP_ENTRIES and (chunk := self._next_chunk()):
            self._note_lost(chunk)
            self._judge(self.fold.drop(chunk.first, chunk.entries, entries.SPOOL_FULL))
            dropped += len(chunk.entries)
        return self._commit(folded=dropped)

    def leads_ns(self, since_ns: int) -> list[int]:
        """Return how far the readings since a moment are ahead of our clock, by their own time; one for each series."""
        return self.fold.leads_ns(since_ns)

    def checkpoint(self) -> None:
        """Commit the state as it is, as before a stop."""
        self._commit(folded=0)

    def _bind(self, limits: Limits) -> None:
        seconds = limits.spool_max_age_seconds
        self._max_age_ns = None if seconds is None else seconds * NANOS_PER_SECOND
        self._letter_bytes = min(dead_letters.MAX_BYTES, limits.spool_max_bytes // LETTERS_SHARE)

    def _recall(self, position: int) -> None:
        """Show the fold the entries before a position that it has folded already; what is read beyond it is next."""
        while self._reader.next < position:
            chunks = self._reader.read(min(STEP_ENTRIES, position - self._reader.next))
            if not chunks:
                return
            for chunk in chunks:
                for number, entry in enumerate(chunk.entries[: max(position - chunk.first, 0)], start=chunk.first):
                    self.fold.recall(number, entry)
                self._ahead.extend(_rest(chunk, position))

    def _note_gap(self, position: int) -> None:
        """Count what is gone between the checkpoint and the oldest entry: a ledger that damage has set back."""
        if 1 < position < self.position:
            log.error("entries %d to %d are gone from the raw log", position, self.position - 1)
            self.fold.books.add("", "", entries.LOST, self.position - position)

    def _fold(self) -> int:
        folded, began_ns = 0, self._clock()
        while folded < STEP_ENTRIES and len(self._judged) < STEP_WINDOWS and (chunk := self._next_chunk()):
            folded += self._fold_chunk(chunk)
            if abs(self._clock() - began_ns) >= STEP_NANOS:
                break
        return folded

    def _fold_chunk(self, chunk: Chunk) -> int:
        """Fold entries until enough windows are closed for one commit; what is left over is next."""
        self._note_lost(chunk)
        old = self._too_old(chunk)
        self._judge(self.fold.drop(chunk.first, old, entries.TOO_OLD))
        at = len(old)
        while at < len(chunk.entries):
            if len(self._judged) >= STEP_WINDOWS:
                self._ahead.appendleft(Chunk(chunk.first + at, chunk.entries[at:]))
                return at
            taken, closed = self.fold.take_some(chunk.first + at, chunk.entries[at:])
            self._judge(closed)
            at += taken
        return len(chunk.entries)

    def _next_chunk(self) -> Chunk | None:
        if not self._ahead:
            self._ahead.extend(self._reader.read(STEP_ENTRIES))
        return self._ahead.popleft() if self._ahead else None

    def _too_old(self, chunk: Chunk) -> list[Entry]:
        """Return the first entries of a chunk that have waited for longer than anything may."""
        if self._max_age_ns is None:
            return []
        before_ns = self._clock() - self._max_age_ns
        return list(takewhile(lambda entry: entry.arrived_ns < before_ns, chunk.entries))

    def _note_lost(self, chunk: Chunk) -> None:
        if chunk.lost:
            log.error("%d entries of the raw log before %d are lost to damage", chunk.lost, chunk.first)
            self.fold.books.add("", "", entries.LOST, chunk.lost)

    def _judge(self, closed: Sequence[Closed]) -> None:
        for item in closed:
            if not self._judged:
                self._judged_ns = self._clock()
            judged = judge(item, self._site)
            self.recent.note(item, judged)
            self.fold.books.add(
                item.era.rules.uid, "", WINDOWS + (REVISED if judged.request.revision else judged.verdict)
            )
            self._judged.append(judged)
        if closed:
            self.fold.forget_absent()

    def _told_due(self) -> bool:
        """Tell whether windows that were closed are to be told now; while there is a backlog, several are at once."""
        if not self._judged:
            return False
        waited_ns = self._clock() - self._judged_ns
        return len(self._judged) >= STEP_WINDOWS or not 0 <= waited_ns < TELL_NANOS or not self.backlog

    def _checkpoint_due(self) -> bool:
        behind = self.position - self._saved_position
        return behind >= CHECKPOINT_ENTRIES or (
            behind > 0 and abs(self._clock() - self._saved_ns) >= CHECKPOINT_SECONDS * NANOS_PER_SECOND
        )

    def _commit(self, *, folded: int) -> Progress:
        asked = [judged.request for judged in self._judged if judged.verdict == ASKED]
        eras = self._changed_eras()
        self.fold.settle()
        self._owed = True
        with self._ledger.transaction() as db:
            insert_requests(db, asked)
            for said in self.fold.said:
                obey(db, said, self._address)
            told = sum(turns.closed(db, _quiet(judged)) for judged in self._judged if _takes_a_turn(judged))
            for uid in self._gone:
                checkpoints.forget_graph(db, uid)
            self._bury(db)
            checkpoints.save(
                db,
                position=self.position,
                fold=msgspec.json.encode(self.fold.state),
                partitions=[*((uid, "", body) for uid, body in eras.items()), *self._changed_partitions()],
                books=self.fold.books.changed(),
            )
        self._saved(eras)
        return Progress(folded=folded, requests=len(asked), answers=told, awaits_time=self.fold.awaits_time)

    def _bury(self, db: sqlite3.Connection) -> None:
        dead_letters.exhume(db, self.fold.exhumed)
        if letters := self.fold.books.letters:
            checkpoints.add_to_book(db, ("", "", FORGOTTEN), dead_letters.bury(db, letters, self._letter_bytes))

    def _changed_eras(self) -> dict[str, bytes]:
        now = {
            uid: msgspec.json.encode(tuple(era.state for era in graph.eras)) for uid, graph in self.fold.graphs.items()
        }
        return {uid: body for uid, body in now.items() if self._saved_eras.get(uid) != body}

    def _changed_partitions(self) -> list[tuple[str, str, bytes]]:
        return (
            [
                (uid, name, msgspec.json.encode(graph.partitions[name]))
                for uid, graph in self.fold.graphs.items()
                for name in graph.touched
            ]
            + [
                (uid, RELATIONS, msgspec.json.encode(graph.whereabouts.relations))
                for uid, graph in self.fold.graphs.items()
                if graph.whereabouts.changed
            ]
            + [
                (uid, BIRTHS, msgspec.json.encode(graph.births.nodes))
                for uid, graph in self.fold.graphs.items()
                if graph.births.changed
            ]
        )

    def _saved(self, eras: dict[str, bytes]) -> None:
        self.fold.books.saved()
        self.fold.exhumed.clear()
        self.fold.said.clear()
        for graph in self.fold.graphs.values():
            graph.touched.clear()
            graph.whereabouts.changed = False
            graph.births.changed = False
        self._judged.clear()
        self._owed = False
        self._gone.clear()
        self._saved_eras.update(eras)
        self._saved_position, self._saved_ns = self.position, self._clock()
        self._raw_log.release(self.position, keep_entries=TAIL_ENTRIES)


def _takes_a_turn(judged: Judged) -> bool:
    """Tell whether a window that nobody is asked about says anything: out of its turn, a quiet one does not."""
    return judged.verdict == TOLD or (judged.verdict == QUIET and not judged.request.belated)


def _quiet(judged: Judged) -> QuietWindow:
    return QuietWindow(
        request=judged.request, since_ns=judged.since_ns, evidence=judged.evidence, tell=judged.verdict == TOLD
    )


def _rest(chunk: Chunk, position: int) -> list[Chunk]:
    """Return what of a chunk is at a position or behind it."""
    known = max(position - chunk.first, 0)
    lost = min(chunk.lost, max(chunk.first - position, 0))
    return [Chunk(chunk.first + known, rest, lost)] if (rest := chunk.entries[known:]) else []


def _start(raw_log: RawLog, position: int) -> int:
    segments = raw_log.segments()
    oldest = segments[0].first if segments else raw_log.next
    return max(oldest, position - TAIL_ENTRIES, 1)
