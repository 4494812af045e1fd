"""Makes room in the spool, as the site's policy says, and lets go of what has waited for too long.

Under Reject nothing is dropped for want of room: the broker keeps what comes, and the fold waits. Under DropOldest what
has waited longest goes, until an eighth of the spool is free: questions first, since they are older than any reading
that is not folded yet; then readings, when it is not questions that hold the fold up; then answers no broker takes.
Under DropLowestPriority it is the questions of the least urgent graphs that go first, and the oldest of them.
"""

import logging
from typing import Final

from edgeglm_agent.clock import Clock
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.pipeline.books import SPOOL_FULL, TOO_OLD, WAITING_DROPPED
from edgeglm_agent.pipeline.pipeline import Pipeline, Progress
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.spool.answers import count_undelivered, drop_undelivered
from edgeglm_agent.spool.checkpoints import add_to_book
from edgeglm_agent.spool.disk import Disk
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import MAX_WAITING, count_waiting, forget_old
from edgeglm_api.bundle import Limits

SHARE: Final = 4
"""A quarter of what waits goes at once: enough to go on with, and no more than need be."""
LOOK_SECONDS: Final = 1
"""How often ages are looked at."""
_EVER_NS: Final = 2**63 - 1
_ALL: Final = 2**31

log = logging.getLogger(__name__)


class Room:
    """Runs on the ledger's thread, between two steps of the pipeline."""

    def __init__(self, disk: Disk, ledger: Ledger, pipeline: Pipeline, docket: Docket, clock: Clock) -> None:
        self._disk = disk
        self._ledger = ledger
        self._pipeline = pipeline
        self._docket = docket
        self._clock = clock
        self._drops = False
        self._by_priority = False
        self._short = False
        self._max_age_ns: int | None = None
        self._looked_ns = 0

    def apply(self, limits: Limits) -> None:
        """Take on the policy of a bundle."""
        seconds = limits.spool_max_age_seconds
        self._drops = limits.spool_on_full != "Reject"
        self._by_priority = limits.spool_on_full == "DropLowestPriority"
        self._max_age_ns = None if seconds is None else seconds * NANOS_PER_SECOND

    def make(self) -> Progress | None:
        """Do one thing for it and say what came of it; None when nothing has to be done, or can be.

        Raises sqlite3.OperationalError when the disk is too full even for that.
        """
        now_ns = self._clock()
        if abs(now_ns - self._looked_ns) >= LOOK_SECONDS * NANOS_PER_SECOND:
            self._looked_ns = now_ns
            if not self._disk.roomy:
                self._tidy()
            if self._max_age_ns is not None and (told := self._drop_waiting(TOO_OLD, now_ns - self._max_age_ns, _ALL)):
                return told
        if self._is_short():
            return self._make()
        return self._hold() if self._disk.refusal() else None

    def _is_short(self) -> bool:
        """Tell whether the spool is full, or was and is not well below that yet."""
        if self._drops and self._disk.refusal():
            if not self._short:
                log.warning("the spool is full, dropping what has waited longest: %s", self._disk.refusal())
            self._short = True
        elif not self._drops or self._disk.roomy:
            self._short = False
        return self._short

    def _hold(self) -> Progress | None:
        """Let the fold wait for answers when it is questions that fill the spool: more of them would go beyond it."""
        full_of_questions = self._ledger.size_bytes > self._disk.raw_bytes and count_waiting(self._ledger.db)
        return Progress(crowded=True) if full_of_questions else None

    def _tidy(self) -> None:
        """Give back what is kept for convenience only."""
        with self._ledger.transaction() as db:
            forget_old(db, keep=0)
        self._ledger.shrink()

    def _make(self) -> Progress | None:
        waiting = count_waiting(self._ledger.db)
        if waiting >= MAX_WAITING or (waiting and self._ledger.size_bytes > self._disk.raw_bytes):
            return self._drop_some_requests(waiting // SHARE + 1)
        if waiting >= MAX_WAITING // 2:
            return None  # the fold goes on by itself now
        if self._pipeline.backlog and (told := self._pipeline.drop()).folded:
            return told
        return self._drop_answers(SPOOL_FULL, _EVER_NS, count_undelivered(self._ledger.db) // SHARE + 1)

    def _drop_waiting(self, reason: str, before_ns: int, most: int) -> Progress | None:
        return self._drop_requests(reason, before_ns, most) or self._drop_answers(reason, before_ns, most)

    def _drop_some_requests(self, most: int) -> Progress | None:
        if not self._by_priority:
            return self._drop_requests(SPOOL_FULL, _EVER_NS, most)
        dropped = self._docket.drop_least_urgent(most, entry=f"{WAITING_DROPPED}requests.{SPOOL_FULL}")
        return self._made(dropped, answers=dropped)

    def _drop_requests(self, reason: str, before_ns: int, most: int) -> Progress | None:
        """Tell the windows of the oldest requests as expired, in one answer a partition."""
        dropped = self._docket.drop_oldest(most, before_ns=before_ns, entry=f"{WAITING_DROPPED}requests.{reason}")
        return self._made(dropped, answers=dropped)

    def _drop_answers(self, reason: str, before_ns: int, most: int) -> Progress | None:
        with self._ledger.transaction() as db:
            dropped = drop_undelivered(db, before_ns=before_ns, most=most)
            for graph, n in dropped.items():
                add_to_book(db, (graph, "", f"{WAITING_DROPPED}answers.{reason}"), n)
        return self._made(dropped.total())

    def _made(self, dropped: int, *, answers: int = 0) -> Progress | None:
        if not dropped:
            return None
        self._tidy()
        return Progress(answers=answers, made_room=True)
