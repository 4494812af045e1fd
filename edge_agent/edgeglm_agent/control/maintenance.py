"""Maintenance over the control socket: begin it, end it, see where it is."""

from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web

from edgeglm_agent.clock import Clock
from edgeglm_agent.control.socket import question_of, reply
from edgeglm_agent.findings.maintenance import Maintenance, TooMany
from edgeglm_agent.findings.say import Beginning, Ending, begin, end
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.spool.maintenance import maintenance_spans
from edgeglm_agent.spool.spool import Spool


class MaintenanceQuestion(msgspec.Struct, frozen=True):
    """What is to begin, and where."""

    graph: str
    """Its name or uid."""
    beginning: Beginning


class ShownMaintenance(msgspec.Struct, frozen=True):
    """A span for people."""

    id: str
    state: str
    """To come, on, or over."""
    graph: str
    partition: str
    begins: str
    ends: str
    by: str
    note: str


class Maintained(msgspec.Struct, frozen=True):
    """What came of it."""

    span: ShownMaintenance | None
    problem: str = ""


class MaintenanceDesk:
    """Answers for one site."""

    def __init__(self, spool: Spool, clock: Clock, uids: Callable[[], Mapping[str, str]]) -> None:
        self._spool = spool
        self._clock = clock
        self._uids = uids
        """Of the graphs, by name."""

    async def show(self) -> list[ShownMaintenance]:
        """Return all spans that are kept, the first to begin first."""
        found = await self._spool.desk.run(lambda: maintenance_spans(self._spool.ledger.db))
        return [self._shown(each) for each in sorted(found, key=lambda each: (each.from_ns, each.id))]

    async def begin(self, question: MaintenanceQuestion) -> Maintained:
        """Begin a span, and return once that is on the disk."""
        uids = self._uids()
        graph = uids.get(question.graph, question.graph)
        if graph not in uids.values():
            return Maintained(
                None, f"there is no graph {question.graph}; there are {', '.join(sorted(uids)) or 'none'}"
            )
        try:
            span = await self._spool.desk.run(lambda: self._begin(question.beginning, graph))
        except TooMany as error:
            return Maintained(None, str(error))
        return Maintained(self._shown(span))

    async def end(self, ending: Ending) -> Maintained:
        """End a span now, and return once that is on the disk."""
        span = await self._spool.desk.run(lambda: self._end(ending))
        if span is None:
            return Maintained(None, f"there is no maintenance {ending.id} to end")
        return Maintained(self._shown(span))

    def _begin(self, beginning: Beginning, graph: str) -> Maintenance:
        with self._spool.ledger.transaction() as db:
            return begin(db, beginning, graph, self._clock())

    def _end(self, ending: Ending) -> Maintenance | None:
        with self._spool.ledger.transaction() as db:
            return end(db, ending, self._clock())

    def _shown(self, span: Maintenance) -> ShownMaintenance:
        names = {uid: name for name, uid in self._uids().items()}
        now_ns = self._clock()
        state = "over" if span.until_ns <= now_ns else "to come" if span.from_ns > now_ns else "on"
        return ShownMaintenance(
            id=span.id,
            state=state,
            graph=names.get(span.graph, span.graph),
            partition=span.partition,
            begins=rfc3339(span.from_ns),
            ends=rfc3339(span.until_ns),
            by=span.by,
            note=span.note,
        )


def maintenance_routes(desk: Callable[[], MaintenanceDesk | None]) -> list[web.RouteDef]:
    """Return the routes; `desk` gives None while there is no site."""

    async def show(_request: web.Request) -> web.Response:
        at = desk()
        return reply(await at.show() if at else None)

    async def start(request: web.Request) -> web.Response:
        question = await question_of(request, MaintenanceQuestion)
        at = desk()
        return reply(await at.begin(question) if at else None)

    async def stop(request: web.Request) -> web.Response:
        ending = await question_of(request, Ending)
        at = desk()
        return reply(await at.end(ending) if at else None)

    return [
        web.post("/maintenance", show),
        web.post("/maintenance/begin", start),
        web.post("/maintenance/end", stop),
    ]
