"""One site's agent: its spool, its fold, its reasoner and its brokers. Lives as long as the siteUID does."""

import asyncio
import logging
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from edgeglm_agent.brokers import Brokers
from edgeglm_agent.clock import Clock, SteadyClock
from edgeglm_agent.config.verify import Verified
from edgeglm_agent.control.dead_letters import DeadDesk
from edgeglm_agent.control.findings import FindingsDesk
from edgeglm_agent.control.maintenance import MaintenanceDesk
from edgeglm_agent.findings.book import FINDINGS
from edgeglm_agent.health.status import (
    BooksStatus,
    DeadLetterStatus,
    EndpointStatus,
    FindingCount,
    SpoolStatus,
    books_status,
)
from edgeglm_agent.mqtt.receiver import Receive
from edgeglm_agent.page.desk import PageDesk
from edgeglm_agent.pipeline.books import ESCALATED, UNKEPT, WAITING_DROPPED
from edgeglm_agent.pipeline.driver import Driver
from edgeglm_agent.pipeline.judge import Site
from edgeglm_agent.pipeline.pipeline import FORGOTTEN, Pipeline, Progress
from edgeglm_agent.pipeline.room import Room
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.credentials import lacking
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.reason.gate import Gate, routes_of
from edgeglm_agent.reason.reasoner import Reasoner
from edgeglm_agent.reason.router import Router
from edgeglm_agent.reason.sends import CountedSends
from edgeglm_agent.spool import checkpoints
from edgeglm_agent.spool.answers import count_undelivered
from edgeglm_agent.spool.dead_letters import count_dead
from edgeglm_agent.spool.pseudonym_key import pseudonym_key
from edgeglm_agent.spool.requests import count_late, count_waiting, graphs_waiting
from edgeglm_agent.spool.spool import Spool
from edgeglm_agent.timekeeper import Timekeeper
from edgeglm_api.bundle import Bundle, Endpoint

DRAIN_SECONDS: Final = 5.0
STUCK_SECONDS: Final = 60.0
WATCHED_SECONDS: Final = 1.0
SEEN_OFF_SECONDS: Final = 10.0
"""How often it is looked whether graphs that have gone have all their answers."""

log = logging.getLogger(__name__)


class WriterDied(RuntimeError):  # noqa: N818 - names what happened
    """The writer's thread ended though nobody told it to; the process must not go on without it."""


class Picture(NamedTuple):
    """What the ledger's thread knows."""

    books: BooksStatus
    findings: list[FindingCount]
    spool: SpoolStatus


class SiteAgent:
    """Made on the event loop, run once."""

    def __init__(self, data: Path, bundle: Bundle, clock: SteadyClock, *, receive: Receive) -> None:
        self._spool = Spool(data / f"{bundle.namespace}.{bundle.site_uid}")
        self._pipeline = _restored(self._spool, bundle, clock)
        docket = Docket(self._spool.ledger, clock)
        self._driver = Driver(
            self._pipeline,
            Room(self._spool.disk, self._spool.ledger, self._pipeline, docket, clock),
            self._spool,
            clock,
            on_progress=self._on_progress,
            listening=lambda: self._brokers.listening,
        )
        self._timekeeper = Timekeeper(clock, self._spool, self._pipeline, lambda: self._brokers.listening)
        self._client = Client()
        self._gate = Gate(pseudonym_key(self._spool.folder))
        self._router = Router(self._client, self._gate, CountedSends(self._spool.desk, self._spool.ledger))
        self._reasoner = Reasoner(docket, self._spool.desk, self._router, self._on_answer)
        self.dead_desk = DeadDesk(self._spool, clock, self._uids)
        self.findings_desk = FindingsDesk(self._spool, clock, self._uids)
        self.maintenance_desk = MaintenanceDesk(self._spool, clock, self._uids)
        self.page_desk = PageDesk(self._spool, self._pipeline, clock, lambda: self._bundle.graphs)
        self._tasks = asyncio.TaskGroup()
        self._brokers = Brokers(self._tasks, self._spool, clock, self._facts, receive=receive)
        self._bundle = bundle
        self._leaving: dict[str, tuple[Endpoint, ...]] = {}
        """Of graphs that the bundle no longer has and that wait for answers, by uid: whom they ask."""
        self._sha256 = ""
        self._applying = asyncio.Lock()

    async def run(self, first: Verified, stop: asyncio.Event) -> None:
        """Work until told to stop, then leave in order: listen no more, store what was heard, write a checkpoint."""
        try:
            async with self._tasks:
                self._spool.start(self._driver.committed)
                await self.apply(first)
                working = [
                    self._tasks.create_task(self._driver.run(), name="fold"),
                    self._tasks.create_task(self._reasoner.run(), name="reason"),
                    self._tasks.create_task(self._timekeeper.run(), name="time"),
                    self._tasks.create_task(self._watch_writer(), name="writer"),
                    self._tasks.create_task(self._see_off(), name="leaving"),
                ]
                await stop.wait()
                await self._brokers.leave()
                await _cancel(working)
                await self._spool.drain(DRAIN_SECONDS)
                await self._driver.finish(DRAIN_SECONDS)
        finally:
            await self._client.close()
            await self._spool.close()

    async def apply(self, verified: Verified) -> None:
        """Take on a bundle of the same site."""
        async with self._applying:
            await self._driver.apply(verified)
            self._leaving = await self._leaving_with(verified.bundle)
            self._applied(verified)

    async def _leaving_with(self, bundle: Bundle) -> dict[str, tuple[Endpoint, ...]]:
        """Return, of each graph that has left and waits for answers, the endpoints that it asks."""
        known = {each.name: each for each in self._bundle.endpoints}
        asked = self._leaving | {
            graph.uid: tuple(known[name] for name in graph.reasoning.endpoints) for graph in self._bundle.graphs
        }
        here = {graph.uid for graph in bundle.graphs}
        waiting = await self._spool.desk.run(graphs_waiting, self._spool.ledger.db)
        return {uid: asked[uid] for uid in waiting if uid in asked and uid not in here}

    def _applied(self, verified: Verified) -> None:
        bundle = verified.bundle
        self._gate.apply(bundle)
        self._set_endpoints(bundle)
        self._reasoner.routes = routes_of(bundle)
        self._reasoner.limit = bundle.limits.max_concurrency
        self._bundle, self._sha256 = bundle, verified.sha256
        self._brokers.apply(bundle)

    def _set_endpoints(self, bundle: Bundle) -> None:
        """Let those be asked that its graphs name, and those that graphs which have gone still wait for."""
        named = {each.name for each in bundle.endpoints}
        of_the_gone = {each.name: each for asked in self._leaving.values() for each in asked if each.name not in named}
        self._router.set_endpoints((*bundle.endpoints, *of_the_gone.values()), ceiling=bundle.limits.max_concurrency)

    async def _see_off(self) -> None:
        """Forget whom graphs that have gone ask, once nothing of them waits."""
        while True:
            await asyncio.sleep(SEEN_OFF_SECONDS)
            if self._leaving:
                async with self._applying:
                    self._leaving = await self._leaving_with(self._bundle)
                    self._set_endpoints(self._bundle)

    @property
    def alive(self) -> bool:
        """Whether the fold still moves; it does so every second even when nothing comes in."""
        return asyncio.get_running_loop().time() - self._driver.moved_at < STUCK_SECONDS

    async def picture(self) -> Picture:
        """Return how it stands, all of one moment: one turn at the ledger's thread, which may be busy."""
        return await self._spool.desk.run(
            lambda: Picture(self._books(), self.findings_desk.counts(), self._spool_status())
        )

    async def endpoints(self) -> list[EndpointStatus]:
        """Return how each engine is doing."""
        lacks = {each.name: error for each in self._bundle.endpoints if (error := await lacking(each))}
        errors = self._router.last_errors | {name: str(error) for name, error in lacks.items()}
        reasons = {name: str(error.reason) for name, error in lacks.items()}
        loads = self._router.loads()
        return [
            EndpointStatus(name, state, errors.get(name, ""), loads[name], reasons.get(name, ""))
            for name, state in self._router.states().items()
        ]

    @property
    def asked(self) -> tuple[Endpoint, ...]:
        """The endpoints that may be asked."""
        return self._bundle.endpoints

    @property
    def brokers(self) -> Brokers:
        """The links to the site's brokers."""
        return self._brokers

    @property
    def faults(self) -> int:
        """How many errors there were that nobody expected."""
        return self._reasoner.faults + self._driver.commit_failures

    def _on_progress(self, progress: Progress) -> None:
        if progress.requests:
            self._reasoner.wake()
        if progress.answers:
            self._brokers.wake()

    def _on_answer(self) -> None:
        self._brokers.wake()

    async def _watch_writer(self) -> None:
        while self._spool.writing:  # noqa: ASYNC110 - a thread that dies of a bug sets no event
            await asyncio.sleep(WATCHED_SECONDS)
        raise WriterDied("the writer of the raw log has ended; see the log for its stack")

    def _facts(self) -> dict[str, Any]:
        return {"site": self._bundle.site, "bundle": {"generation": self._bundle.generation, "sha256": self._sha256}}

    def _uids(self) -> dict[str, str]:
        return {graph.name: graph.uid for graph in self._bundle.graphs}

    def _books(self) -> BooksStatus:
        fold = self._pipeline.fold
        fold.account()
        db = self._spool.ledger.db
        told = {
            book: n
            for prefix in ("answers.", FINDINGS, WAITING_DROPPED, ESCALATED)
            for book, n in checkpoints.load_books(db, prefix).items()
        }
        names = {graph.uid: graph.name for graph in self._bundle.graphs}
        return books_status(fold.books.all() | told, fold.pending(), names)

    def _spool_status(self) -> SpoolStatus:
        spool, db = self._spool, self._spool.ledger.db
        return SpoolStatus(
            raw_bytes=spool.raw_log.size_bytes,
            ledger_bytes=spool.ledger.size_bytes,
            cap_bytes=spool.disk.cap_bytes,
            backlog=spool.handoff.depth + self._pipeline.backlog,
            waiting=count_waiting(db),
            late=count_late(db),
            undelivered=count_undelivered(db),
            asking=self._reasoner.asking,
            blocked=spool.writer.blocked,
            write_failures=spool.writer.failures,
            revision=spool.ledger.revision,
            set_aside=spool.ledger.set_aside + spool.raw_log.set_aside,
            cut_bytes=spool.raw_log.cut_bytes,
            dead_letters=self._dead_letters(),
        )

    def _dead_letters(self) -> DeadLetterStatus:
        db = self._spool.ledger.db
        number, size = count_dead(db)
        unkept = self._pipeline.fold.books.all().get(("", "", UNKEPT), 0)
        forgotten = checkpoints.load_books(db, FORGOTTEN).get(("", "", FORGOTTEN), 0)
        return DeadLetterStatus(kept=number, payload_bytes=size, forgotten=unkept + forgotten)


def _restored(spool: Spool, bundle: Bundle, clock: Clock) -> Pipeline:
    """Return the pipeline as the ledger has it, or begun anew when that cannot be read though SQLite finds no fault."""
    try:
        return _pipeline(spool, bundle, clock)
    except msgspec.MsgspecError as error:
        spool.ledger.begin_anew(str(error))
        return _pipeline(spool, bundle, clock)


def _pipeline(spool: Spool, bundle: Bundle, clock: Clock) -> Pipeline:
    site = Site(name=bundle.site, uid=bundle.site_uid, revision=spool.ledger.revision)
    return Pipeline(spool.ledger, spool.raw_log, site, clock)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
