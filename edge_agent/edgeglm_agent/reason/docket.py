"""The requests as the reasoner sees them: claimed, answered, expired. Runs on the ledger's thread."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import msgspec

from edgeglm_agent.clock import Clock
from edgeglm_agent.findings import turns
from edgeglm_agent.reason.gate import kept_at_site
from edgeglm_agent.reason.in_turn import Line
from edgeglm_agent.reason.outcome import Span, answer_to
from edgeglm_agent.reason.places import Routes, placed
from edgeglm_agent.reason.plan import Key, Plan, plan
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.urgency import Urgency
from edgeglm_agent.spool.checkpoints import add_to_book
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import (
    Waiting,
    arrived,
    cover,
    forget_old,
    load_request,
    newest_row,
    spans,
    waiting,
    waiting_of,
)
from edgeglm_api.answer import Answer

KEEP_CLOSED = 5000


class Claim(msgspec.Struct, frozen=True):
    """A request that somebody is about to ask, and the windows that it speaks for."""

    key: Key
    request: Request
    spans: list[Span]
    urgency: Urgency


class Docket:
    """Owner of what is claimed, and of the line. Both are in memory only: a crash leaves the request waiting.

    To plan everything anew for each answer took 43 ms with 5,000 waiting, so only what has changed is looked at.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._busy: set[Key] = set()
        self._line = Line()
        self._late: dict[Key, Plan] = {}
        self._newest = 0
        """The number of the newest request that is known here."""

    def claim(
        self, most: int, routes: Routes | None = None, free: Mapping[str, int] | None = None
    ) -> tuple[list[Claim], int]:
        """Answer what is too late, claim up to so many of the rest; return the claims and the number that expired.

        Where routes are known, only what finds a place at a free endpoint is claimed.
        """
        self._catch_up()
        expired = self._expire_late()
        turns = list(placed(self._line, routes or {}, free or {}, most=most))
        try:
            return [self._claim(each) for each in turns], expired
        except BaseException:
            for each in turns:
                self._busy.discard(each.key)
                self._line.enter(each)
            raise

    def answer(self, claim: Claim, answer: Answer) -> None:
        """Store the answer and close the request; the first answer to a request stands."""
        self.answer_all([(claim, answer)])

    def answer_all(self, answered: Sequence[tuple[Claim, Answer]]) -> None:
        """Do the same for several, all of them or none."""
        with self._ledger.transaction() as db:
            for claim, answer in answered:
                turns.answered(db, claim.request, answer, claim.spans)
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
        rows = [row for row in waiting(self._ledger.db) if row.end_ns < before_ns and _key(row) not in self._busy]
        oldest = sorted(rows, key=lambda row: row.start_ns)[:most]
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
        for key in self._line.overdue(self._clock()):
            self._plan(key)

    def _plan(self, key: Key) -> None:
        self._line.leave(key)
        self._late.pop(key, None)
        rows = [] if key in self._busy else waiting_of(self._ledger.db, *key)
        if not rows:
            return
        each = plan(rows, self._clock())
        if each.expired:
            self._late[key] = each
        else:
            self._line.enter(each)

    def _expire_late(self) -> int:
        expired = 0
        while self._late:
            each = next(iter(self._late.values()))
            self._expire(each.request_id, each.covers)
            self._plan(each.key)
            expired += 1
        return expired

    def _claim(self, each: Plan) -> Claim:
        db = self._ledger.db
        if each.covers:
            with self._ledger.transaction():
                cover(db, each.covers, each.request_id)
        self._busy.add(each.key)
        return Claim(each.key, load_request(db, each.request_id), spans(db, each.request_id), each.urgency)

    def _expire(self, request_id: str, covers: Sequence[str], *, entry: str = "") -> None:
        with self._ledger.transaction() as db:
            cover(db, covers, request_id)
        request = load_request(self._ledger.db, request_id)
        covered = spans(self._ledger.db, request_id)
        reason = "" if entry else kept_at_site(request)
        with self._ledger.transaction() as db:
            turns.answered(db, request, answer_to(request, "Expired", covered, reason=reason), covered)
            if entry:
                add_to_book(db, (request.graph_uid, "", entry), len(covered))
            forget_old(db, keep=KEEP_CLOSED)


def _key(row: Waiting) -> Key:
    return row.graph, row.partition
