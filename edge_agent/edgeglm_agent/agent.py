"""The agent: waits for a bundle, runs the site that it names, and changes over when another site is named."""

import asyncio
import logging
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from edgeglm_agent.clock import SteadyClock
from edgeglm_agent.config.last_good import LastGood
from edgeglm_agent.config.pins import Pins, RefusedGraph
from edgeglm_agent.config.source import Source
from edgeglm_agent.config.trust import Trust
from edgeglm_agent.config.verify import Verified
from edgeglm_agent.config.watch import Watch
from edgeglm_agent.control.dead_letters import dead_letter_routes
from edgeglm_agent.control.findings import finding_routes
from edgeglm_agent.control.maintenance import maintenance_routes
from edgeglm_agent.control.socket import ControlSocket
from edgeglm_agent.health.server import Probes, Server
from edgeglm_agent.health.status import ConfigStatus, Status
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.mqtt.receiver import Receive
from edgeglm_agent.page.routes import Sight, page_routes
from edgeglm_agent.report.engines import look_at
from edgeglm_agent.report.make import make_report
from edgeglm_agent.report.outages import Outages
from edgeglm_agent.report.reporter import Issue, Reporter
from edgeglm_agent.report.sender import Sender
from edgeglm_agent.report.verify import Verifier
from edgeglm_agent.site_agent import SiteAgent
from edgeglm_api.report import Report

log = logging.getLogger(__name__)


class Agent:
    """Owner of the site that runs now."""

    def __init__(  # noqa: PLR0913 - what is told at the start, by name
        self,
        source: Source,
        data: Path,
        clock: SteadyClock,
        *,
        trust: Trust,
        pins: Pins,
        receive: Receive,
        sender: Sender | None = None,
    ) -> None:
        self._receive = receive
        self._data = data
        self._pins = pins
        self._refused: list[RefusedGraph] = []
        self._clock = clock
        self._watch = Watch(source, trust, LastGood(data, trust), self._apply, clock)
        self._reporter = Reporter(sender, self._report, Outages(data), clock) if sender else None
        if self._reporter is not None:
            self._watch.on_verdict = self._reporter.wake
        self._verifier: Verifier | None = None
        self._site: SiteAgent | None = None
        self._site_stop = asyncio.Event()
        self._next: asyncio.Queue[Verified] = asyncio.Queue(maxsize=1)
        self._stopping = False

    async def run(self, listen: tuple[str, int], stop: asyncio.Event) -> None:
        """Work until told to stop."""
        probes = Probes(
            alive=lambda: self._alive, ready=lambda: self._site is not None, status=self.status, config=self.config
        )
        sight = Sight(config=self.config, status=self.status, desk=lambda: self._site.page_desk if self._site else None)
        server = Server(probes, page_routes(sight))
        routes = [
            *dead_letter_routes(lambda: self._site.dead_desk if self._site else None),
            *finding_routes(lambda: self._site.findings_desk if self._site else None),
            *maintenance_routes(lambda: self._site.maintenance_desk if self._site else None),
        ]
        control = ControlSocket(self._data, routes)
        await server.start(*listen)
        log.info("listening on %s:%d", listen[0], server.port)
        try:
            await control.start()
            async with asyncio.TaskGroup() as tasks:
                sites = tasks.create_task(self._run_sites(), name="sites")
                watch = tasks.create_task(self._run_watch(), name="watch")
                reports = tasks.create_task(self._run_reports(self._reporter)) if self._reporter else None
                await stop.wait()
                log.info("stopping")
                watch.cancel()
                if reports is not None:
                    reports.cancel()
                self._stopping = True
                self._site_stop.set()
                if self._site is None:
                    sites.cancel()
        finally:
            await control.close()
            await server.close()

    def config(self) -> ConfigStatus:
        """Return how it stands with the configuration."""
        reports = self._reporter.status if self._reporter else None
        return ConfigStatus(self._watch.state, self._watch.source, self._watch.rejections, self._refused, reports)

    async def status(self) -> Status | None:
        """Return the status; None while there is no site."""
        site, current = self._site, self._watch.current
        if site is None or current is None:
            return None
        bundle, picture = current.bundle, await site.picture()
        return Status(
            version=_version(),
            namespace=bundle.namespace,
            site=bundle.site,
            site_uid=bundle.site_uid,
            ready=True,
            bundle=self._watch.state,
            source=self._watch.source,
            rejections=self._watch.rejections,
            refused_graphs=self._refused,
            books=picture.books,
            findings=picture.findings,
            spool=picture.spool,
            endpoints=await site.endpoints(),
            brokers=site.brokers.status(),
            reports=self._reporter.status if self._reporter else None,
            clock_jump_seconds=round(self._clock.jump_ns / NANOS_PER_SECOND),
            faults=site.faults,
        )

    async def _report(self, issue: Issue) -> Report:
        asked = self._site.asked if self._site else ()
        engines = await look_at(asked)
        if self._verifier is not None:
            engines = self._verifier.look(asked, engines)
        return make_report(
            self.config(),
            await self.status(),
            version=_version(),
            boot_id=issue.boot_id,
            sequence=issue.sequence,
            now_ns=issue.now_ns,
            outage=issue.outage,
            engines=engines,
        )

    @property
    def _alive(self) -> bool:
        return self._site is None or self._site.alive

    async def _run_watch(self) -> None:
        await self._watch.start()
        await self._watch.run()

    async def _run_reports(self, reporter: Reporter) -> None:
        self._verifier = Verifier(reporter.wake)
        try:
            await reporter.run()
        finally:
            await self._verifier.close()

    async def _run_sites(self) -> None:
        while not self._stopping:
            first = await self._next.get()
            self._site_stop.clear()
            self._site = SiteAgent(self._data, first.bundle, self._clock, receive=self._receive)
            if self._reporter is not None:
                self._reporter.wake()
            try:
                await self._site.run(first, self._site_stop)
            finally:
                self._site = None

    async def _apply(self, verified: Verified) -> None:
        """Let the running site take on what may run of a bundle, or begin the site that it names."""
        admitted = self._pins.admit(verified.bundle)
        self._refused = admitted.refused
        for each in self._refused:
            log.error("graph %s is refused (%s), the others go on: %s", each.graph, each.reason, each.message)
        verified = msgspec.structs.replace(verified, bundle=admitted.bundle)
        current = self._watch.current
        if self._site is not None and current is not None and current.bundle.site_uid == verified.bundle.site_uid:
            await self._site.apply(verified)
            return
        self._site_stop.set()
        await self._next.put(verified)


def _version() -> str:
    try:
        return version("edgeglm")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+unknown"
