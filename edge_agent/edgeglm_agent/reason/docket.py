"""The requests as the reasoner sees them: claimed, answered, expired. Runs on the ledger's thread."""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

import msgspec

from edgeglm_agent.clock import Clock
from edgeglm_agent.findings import turns
from edgeglm_agent.graph.evidence import speaks_for_itself
from edgeglm_agent.pipeline.books import ESCALATED, TOO_MANY_LATE, WAITING_DROPPED
from edgeglm_agent.reason.gate import kept_at_site
from edgeglm_agent.reason.late_share import Lines
from edgeglm_agent.reason.outcome import Span, answer_to
from edgeglm_agent.reason.places import Places, placed
from edgeglm_agent.reason.plan import Key, Plan, plan, plan_late
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.sends import MOST_SENDS
from edgeglm_agent.reason.urgency import URGENCY, Urgency
from edgeglm_agent.spool.checkpoints import add_to_book
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import (
    Waiting,
    arrived,
    count_late,
    count_sends,
    cover,
    forget_old,
    join_covered,
    load_request,
    mark_late,
    newest_row,
    spans,
    waiting,
    waiting_of,
)
from edgeglm_api.answer import Answer

KEEP_CLOSED = 5000
MAX_SPANS: Final = 256
"""Spans of time that one question about late windows speaks for; beyond it the oldest are told as one."""
MAX_LATE: Final = 1000
"""Requests that wait on though they are no longer fresh: half of what may wait at all, the rest is for fresh ones."""


class Claim(msgspec.Struct, frozen=True):
    """A request that somebody is about to ask, and the windows that it speaks for."""

    key: Key
    request: Request
    spans: list[Span]
    urgency: Urgency
    late: bool = False
    """Whether its windows are no longer fresh."""


class Docket:
    """Owner of what is claimed, and of the line. Both are in memory only: a crash leaves the request waiting.

    To plan everything anew for each answer took 43 ms with 5,000 waiting, so only what has changed is looked at.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._busy: set[Key] = set()
        self._lines = Lines()
        self._expired: dict[Key, Plan] = {}
        self._newest = 0
        """The number of the newest request that is known here."""

    def claim(self, most: int, places: Places | None = None) -> tuple[list[Claim], int]:
        """See to what is too late, claim up to so many of the rest; return the claims and the number that expired.

        Where places are known, only what finds one is claimed.
        """
        self._catch_up()
        expired = self._see_to_expired()
        taken = list(placed(self._lines, places or Places({}, {}), most=most))
        try:
            return [self._claim(each) for each in taken], expired
        except BaseException:
            for each in taken:
                self._busy.discard(each.key)
                self._lines.enter(each)
            raise

    def answer(self, claim: Claim, answer: Answer) -> None:
        """Store the answer and close the request; the first answer to a request stands."""
        self.answer_all([(claim, answer)])

    def answer_all(self, answered: Sequence[tuple[Claim, Answer]]) -> None:
        """Do the same for several, all of them or none."""
        with self._ledger.transaction() as db:
            for claim, answer in answered:
                _store(db, claim, answer)
            forget_old(db, keep=KEEP_CLOSED)
        for claim, _answer in answered:
            self.release(claim)

    def release(self, claim: Claim) -> None:
        """Give a claim back; what its partition still waits for waits again."""
        self._busy.discard(claim.key)
        self._plan(claim.key)

    def drop_oldest(self, most: int, *, before_ns: int, entry: str) -> int:
        """Give up on the oldest requests whose windows ended before a moment; return how many.

        Their windows are told as expired, in one answer a partition, and counted under an entry of the books.
        """
        rows = (row for row in waiting(self._ledger.db) if row.end_ns < before_ns)
        return self._give_up(rows, most, entry)

    def drop_least_urgent(self, most: int, *, entry: str) -> int:
        """Do the same with requests of the lowest priority that there is, oldest first; none of a higher one goes."""
        rows = [row for row in waiting(self._ledger.db) if _key(row) not in self._busy]
        lowest = max((URGENCY[row.priority] for row in rows), default=Urgency.LOW)
        return self._give_up((row for row in rows if URGENCY[row.priority] is lowest), most, entry)

    def _give_up(self, rows: Iterable[Waiting], most: int, entry: str) -> int:
        """Answer `Expired` for the oldest that nobody is being asked about, one answer a partition."""
        idle = (row for row in rows if _key(row) not in self._busy)
        oldest = sorted(idle, key=lambda row: row.start_ns)[:most]
        for key, group in groupby(sorted(oldest, key=lambda row: (_key(row), row.start_ns)), key=_key):
            *covers, last = (row.id for row in group)
            self._expire(last, covers, entry=entry)
            self._plan(key)
        return len(oldest)

    def _catch_up(self) -> None:
        """Plan what has come since the last look, or has become too late: all else is as it was."""
        newest = newest_row(self._ledger.db)
        if newest != self._newest:
            for key in arrived(self._ledger.db, after=self._newest):
                self._plan(key)
            self._newest = newest
        for key in self._lines.fresh.overdue(self._clock()):
            self._plan(key)

    def _plan(self, key: Key) -> None:
        self._lines.leave(key)
        self._expired.pop(key, None)
        rows = [] if key in self._busy else waiting_of(self._ledger.db, *key)
        fresh, late = [row for row in rows if not row.late], [row for row in rows if row.late]
        each = plan(fresh, self._clock()) if fresh else None
        if each is not None and each.expired:
            self._expired[key] = each
        elif each is not None:
            self._lines.enter(each)
        if late:
            self._lines.enter(plan_late(late))

    def _see_to_expired(self) -> int:
        expired = 0
        while self._expired:
            each = next(iter(self._expired.values()))
            self._pass_over(each)
            self._plan(each.key)
            expired += 1
        return expired

    def _pass_over(self, each: Plan) -> None:
        """Let what is no longer fresh wait on, out of its turn, or answer for it."""
        if each.after_fresh == "Skip":
            self._expire(each.request_id, each.covers)
            return
        with self._ledger.transaction() as db:
            if each.after_fresh == "Summarise":
                self._summarise(db, each)
            else:
                mark_late(db, [*each.covers, each.request_id])
            turns.passed_over(db, *each.key)
        if (too_many := count_late(self._ledger.db) - MAX_LATE) > 0:
            rows = (row for row in waiting(self._ledger.db) if row.late)
            self._give_up(rows, too_many, f"{WAITING_DROPPED}requests.{TOO_MANY_LATE}")

    def _summarise(self, db: sqlite3.Connection, each: Plan) -> None:
        """Have one request speak for all that is late in the partition: that of before, unless this one has more."""
        before = [row for row in waiting_of(db, *each.key) if row.late]
        loud = [row.id for row in before if row.breach]
        said = load_request(db, each.request_id)
        speaker = loud[-1] if loud and not speaks_for_itself(said.subject.evidence) else each.request_id
        everybody = [*(row.id for row in before), *each.covers, each.request_id]
        cover(db, [name for name in everybody if name != speaker], speaker)
        join_covered(db, speaker, most=MAX_SPANS)
        mark_late(db, [speaker])

    def _claim(self, each: Plan) -> Claim:
        db = self._ledger.db
        if each.covers:
            with self._ledger.transaction():
                cover(db, each.covers, each.request_id)
        self._busy.add(each.key)
        request = load_request(db, each.request_id)
        return Claim(each.key, request, spans(db, each.request_id), each.urgency, late=each.late)

    def _expire(self, request_id: str, covers: Sequence[str], *, entry: str = "") -> None:
        with self._ledger.transaction() as db:
            cover(db, covers, request_id)
        request = load_request(self._ledger.db, request_id)
        covered = spans(self._ledger.db, request_id)
        reason = "" if entry else kept_at_site(request) or self._spent(request_id)
        with self._ledger.transaction() as db:
            turns.answered(db, request, answer_to(request, "Expired", covered, reason=reason), covered)
            if entry:
                add_to_book(db, (request.graph_uid, "", entry), len(covered))
            forget_old(db, keep=KEEP_CLOSED)

    def _spent(self, request_id: str) -> str:
        if count_sends(self._ledger.db, request_id) < MOST_SENDS:
            return ""
        return "its endpoint charges for requests, and those that a window may have came to nothing"


def _store(db: sqlite3.Connection, claim: Claim, answer: Answer) -> None:
    request = claim.request
    if claim.late:
        request, answer = msgspec.structs.replace(request, belated=True), msgspec.structs.replace(answer, late=True)
    turns.answered(db, request, answer, claim.spans)
    if answer.model is not None and answer.model.escalated:
        add_to_book(db, (request.graph_uid, "", f"{ESCALATED}{answer.model.escalated}"))


def _key(row: Waiting) -> Key:
    return row.graph, row.partition
