"""Findings over the control socket: look at them, and have a word in their lives."""

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web

from edgeglm_agent.clock import Clock
from edgeglm_agent.control.socket import question_of, reply
from edgeglm_agent.findings.life import state_of
from edgeglm_agent.findings.say import Saying, heed
from edgeglm_agent.health.status import FindingCount
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.spool.findings import StoredFinding, all_findings
from edgeglm_agent.spool.spool import Spool
from edgeglm_api.answer import FindingState, Severity


class FindingsQuestion(msgspec.Struct, frozen=True):
    """Which findings are asked for."""

    graph: str = ""
    """Its name or uid; empty: of all graphs."""


class ShownFinding(msgspec.Struct, frozen=True):
    """A finding for people."""

    id: str
    state: FindingState
    severity: Severity
    graph: str
    partition: str
    key: str
    statement: str
    opened: str
    seen: str
    by: str = ""
    note: str = ""
    until: str = ""


class Heeded(msgspec.Struct, frozen=True):
    """What came of a saying."""

    finding: ShownFinding | None
    """As it is now; None when there is no such finding, or it is over."""


class FindingsDesk:
    """Answers for one site."""

    def __init__(self, spool: Spool, clock: Clock, uids: Callable[[], Mapping[str, str]]) -> None:
        self._spool = spool
        self._clock = clock
        self._uids = uids
        """Of the graphs, by name."""

    async def show(self, question: FindingsQuestion) -> list[ShownFinding]:
        """Return the findings that are asked for, by graph and partition, oldest first."""
        uid = self._uids().get(question.graph, question.graph)
        return await self._spool.desk.run(self._all, uid)

    def counts(self) -> list[FindingCount]:
        """Return how many findings go on, by graph, state and severity; called on the ledger's thread."""
        shown = self._all("")
        counted = Counter((each.graph, each.state, each.severity) for each in shown if each.state != "Cleared")
        return [FindingCount(*key, n) for key, n in sorted(counted.items())]

    def _all(self, uid: str) -> list[ShownFinding]:
        return [self._shown(each) for each in all_findings(self._spool.ledger.db) if uid in {"", each.graph}]

    async def heed(self, saying: Saying) -> Heeded:
        """Note what somebody says, and return once that is on the disk."""
        now_ns = self._clock()
        heeded = await self._spool.desk.run(lambda: self._heed(saying, now_ns))
        return Heeded(self._shown(heeded) if heeded else None)

    def _heed(self, saying: Saying, now_ns: int) -> StoredFinding | None:
        with self._spool.ledger.transaction() as db:
            return heed(db, saying, now_ns)

    def _shown(self, stored: StoredFinding) -> ShownFinding:
        names = {uid: name for name, uid in self._uids().items()}
        life, state = stored.life, state_of(stored.life, self._clock())
        word = life.word if life.word is not None and state in {life.word.kind, "Cleared"} else None
        return ShownFinding(
            id=stored.id,
            state=state,
            severity=life.finding.severity,
            graph=names.get(stored.graph, stored.graph),
            partition=stored.partition,
            key=life.finding.key,
            statement=life.finding.statement,
            opened=rfc3339(life.opened_ns),
            seen=rfc3339(life.seen_ns),
            by=word.by if word else "",
            note=word.note if word else "",
            until=rfc3339(word.until_ns) if word and word.until_ns else "",
        )


def finding_routes(desk: Callable[[], FindingsDesk | None]) -> list[web.RouteDef]:
    """Return the routes; `desk` gives None while there is no site."""

    async def show(request: web.Request) -> web.Response:
        question = await question_of(request, FindingsQuestion)
        at = desk()
        return reply(await at.show(question) if at else None)

    async def say(request: web.Request) -> web.Response:
        saying = await question_of(request, Saying)
        at = desk()
        return reply(await at.heed(saying) if at else None)

    return [web.post("/findings", show), web.post("/findings/say", say)]
