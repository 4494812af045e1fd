"""The page as an agent serves it, over a real spool and fold, with a status that the test makes up."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

from edgeglm_agent.clock import system_clock
from edgeglm_agent.config.freshness import SourceState
from edgeglm_agent.config.watch import Applied
from edgeglm_agent.health.server import Probes, Server
from edgeglm_agent.health.status import (
    BooksStatus,
    BrokerStatus,
    ConfigStatus,
    DeadLetterStatus,
    EndpointStatus,
    SpoolStatus,
    Status,
)
from edgeglm_agent.page.desk import PageDesk
from edgeglm_agent.page.routes import Sight, page_routes
from edgeglm_agent.pipeline.judge import Site
from edgeglm_agent.pipeline.pipeline import Pipeline
from edgeglm_agent.reason.known import Load
from edgeglm_agent.spool.entry import Entry
from edgeglm_agent.spool.findings import StoredFinding, save_findings
from edgeglm_agent.spool.spool import Spool
from edgeglm_api.bundle import Bundle

T = TypeVar("T")


class Served:
    """Runs in a thread of its own; it keeps its port when it is started again."""

    def __init__(self, folder: Path, bundle: Bundle) -> None:
        self._folder = folder
        self._bundle = bundle
        self.status: Status | None = a_status()
        self.config = a_config()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._open())
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._call(self._listen())

    def stop(self) -> None:
        """Listen no more, as an agent that was killed."""
        self._call(self._server.close())

    def close(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def hear(self, entries: Iterable[Entry]) -> None:
        self._call(self._spool.desk.run(self._fold, list(entries)))

    def find(self, *findings: StoredFinding) -> None:
        self._call(self._spool.desk.run(self._save, findings))

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def _fold(self, entries: list[Entry]) -> None:
        self._spool.raw_log.append(entries)
        while self._pipeline.step().folded:
            pass

    def _save(self, findings: Iterable[StoredFinding]) -> None:
        with self._spool.ledger.transaction() as db:
            save_findings(db, findings)

    async def _open(self) -> None:
        self._spool = Spool(self._folder)
        site = Site(self._bundle.site, self._bundle.site_uid, 0)
        self._pipeline = Pipeline(self._spool.ledger, self._spool.raw_log, site, system_clock)
        await self._spool.desk.run(self._pipeline.apply, self._bundle)
        self._desk = PageDesk(self._spool, self._pipeline, system_clock, lambda: self._bundle.graphs)

    async def _listen(self) -> None:
        async def status() -> Status | None:
            return self.status

        sight = Sight(lambda: self.config, status, lambda: self._desk if self.status else None)
        probes = Probes(alive=lambda: True, ready=lambda: True, status=status, config=sight.config)
        self._server = Server(probes, page_routes(sight))
        await self._server.start("127.0.0.1", self.port)
        self.port = self._server.port

    async def _close(self) -> None:
        await self._server.close()
        await self._spool.close()


def a_config(**changes: Any) -> ConfigStatus:
    applied = Applied(generation=4, sha256="9f2c", verdict="Applied")
    source = SourceState(address="/etc/edgeglm", state="Fresh", confirmed_at="2026-11-28T08:00:00Z")
    known: dict[str, Any] = {
        "bundle": applied,
        "source": source,
        "rejections": {},
        "refused_graphs": [],
        "reports": None,
    }
    return ConfigStatus(**(known | changes))


def a_status(**changes: Any) -> Status:
    config = a_config()
    known: dict[str, Any] = {
        "version": "0.1.0",
        "namespace": "plant",
        "site": "edge-1",
        "site_uid": "uid",
        "ready": True,
        "bundle": config.bundle,
        "source": config.source,
        "rejections": {},
        "refused_graphs": [],
        "books": BooksStatus(
            [], 0, balanced=True, windows={}, answers={}, escalated={}, findings={}, waiting_dropped={}
        ),
        "findings": [],
        "spool": a_spool(),
        "endpoints": [EndpointStatus("plant-llm", "Closed", "", Load(width=4, in_flight=1, busy=0, cuts=0))],
        "brokers": [a_broker()],
        "reports": None,
        "faults": 0,
    }
    return Status(**(known | changes))


def a_broker(**changes: Any) -> BrokerStatus:
    known: dict[str, Any] = {
        "url": "mqtt://127.0.0.1:1883",
        "connected": True,
        "protocol": "5",
        "connects": 1,
        "sessions_lost": 0,
        "dropped": 0,
        "reason": "",
        "failure": "",
        "failures": {},
        "sent": 0,
        "handed_over": 0,
    }
    return BrokerStatus(**(known | changes))


def a_spool(**changes: Any) -> SpoolStatus:
    known: dict[str, Any] = {
        "raw_bytes": 2_300_000,
        "ledger_bytes": 400_000,
        "cap_bytes": 1 << 30,
        "backlog": 0,
        "waiting": 0,
        "late": 0,
        "undelivered": 0,
        "asking": 0,
        "blocked": "",
        "write_failures": 0,
        "revision": 0,
        "set_aside": 0,
        "cut_bytes": 0,
        "dead_letters": DeadLetterStatus(0, 0, 0),
    }
    return SpoolStatus(**(known | changes))
