"""The finding book: the findings of a partition, moved on by one look and told by one answer.

Runs on the ledger's thread, in the transaction that stores the answer: what was told and what is known are one.
"""

import sqlite3
from typing import Final

import msgspec

from edgeglm_agent.findings.life import Life, Look, after_telling, as_told, is_history, is_news, look_at, told_by
from edgeglm_agent.identity import finding_id
from edgeglm_agent.reason.request import Request
from edgeglm_agent.spool.checkpoints import add_to_book
from edgeglm_agent.spool.findings import StoredFinding, bound_findings, findings_of, forget_findings, save_findings
from edgeglm_agent.spool.maintenance import maintenance_spans
from edgeglm_api.answer import Finding

FINDINGS: Final = "findings."
"""What became of findings, in the books."""
OPENED: Final = "findings.opened"
CLEARED: Final = "findings.cleared"
FORGOTTEN: Final = "findings.forgotten"


class Page(msgspec.Struct, frozen=True):
    """The findings of one partition after a look, none of it written down yet."""

    request: Request
    look: Look
    before: tuple[StoredFinding, ...]
    lives: tuple[Life, ...]
    muted: bool = False
    """Whether people are at work: then nothing of it is news, nor told as over."""

    @property
    def now_ns(self) -> int:
        """How far the partition has come: the end of the look, or of one that was told of before it."""
        told = (each.life.told.end_ns for each in self.before if each.life.told is not None)
        return max(self.look.end_ns, *told, 0) if self.look.belated else self.look.end_ns

    @property
    def to_tell(self) -> list[Life]:
        """What an answer has to say."""
        told = told_by(self.lives, self.look, self.request.findings)
        return [life for life in told if not life.over] if self.muted else told

    @property
    def has_news(self) -> bool:
        """Whether any of them is worth an answer."""
        return not self.muted and any(is_news(life, self.now_ns, self.request.findings) for life in self.to_tell)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What an answer says of them."""
        return tuple(as_told(life, self._id(life), self.now_ns) for life in self.to_tell)

    def write(self, db: sqlite3.Connection, *, told: bool) -> None:
        """Write them down, those that need not be kept left out."""
        telling = {life.finding.key for life in self.to_tell} if told else set()
        now_ns = self.now_ns
        after = [after_telling(life, now_ns) if life.finding.key in telling else life for life in self.lives]
        known = {each.id: each for each in self.before}
        kept = [self._stored(life) for life in after if not is_history(life, now_ns)]
        save_findings(db, [each for each in kept if each != known.pop(each.id, None)])
        forget_findings(db, known)
        self._count(db)

    def _count(self, db: sqlite3.Connection) -> None:
        before = {each.life.finding.key for each in self.before if not each.life.over}
        after = {life.finding.key for life in self.lives if not life.over}
        uid = self.request.graph_uid
        for entry, n in ((OPENED, len(after - before)), (CLEARED, len(before - after))):
            if n:
                add_to_book(db, (uid, "", entry), n)
        if after - before and (forgotten := bound_findings(db, uid)):
            add_to_book(db, (uid, "", FORGOTTEN), forgotten)

    def _id(self, life: Life) -> str:
        return finding_id(self.request.graph_uid, self.request.partition, life.finding.key)

    def _stored(self, life: Life) -> StoredFinding:
        return StoredFinding(self._id(life), self.request.graph_uid, self.request.partition, life)


def open_page(db: sqlite3.Connection, request: Request, look: Look) -> Page:
    """Return the findings of a request's partition after a look."""
    before = tuple(findings_of(db, request.graph_uid, request.partition))
    after = look_at((each.life for each in before), look, request.findings)
    return Page(request, look, before, tuple(after), muted=_muted(db, request, look))


def _muted(db: sqlite3.Connection, request: Request, look: Look) -> bool:
    return any(
        each.covers(request.graph_uid, request.partition, look.start_ns, look.end_ns) for each in maintenance_spans(db)
    )
