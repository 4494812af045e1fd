"""The agent's asking path as the site's agent puts it together, without sensors and without a broker."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from edgeglm_agent.clock import Clock
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.known import Load
from edgeglm_agent.reason.reasoner import Reasoner
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.router import Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_agent.spool.desk import Desk
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import count_waiting, insert_requests
from edgeglm_api.answer import Answer
from edgeglm_api.bundle import Endpoint, Reasoning
from edgeglm_api.sensor_graph import Output, Priority, Question
from tests.unit.agent.observations import SECOND, a_machine_graph

ENGINE: Final = "engine"


class Patience(msgspec.Struct, frozen=True):
    """How long an answer is waited for, and how long it is worth anything."""

    attempt_seconds: int
    fresh_for_seconds: int


class AskingPath:
    """Made on the event loop; asks from `start` to `stop`."""

    def __init__(self, folder: Path, engine: Endpoint, clock: Clock, *, ceiling: int, client: Client) -> None:
        self.ledger = Ledger(folder / "ledger.db")
        self._client, self._desk = client, Desk()
        self._router = a_router(client, engine, ceiling=ceiling)
        self._answered = asyncio.Event()
        self.reasoner = Reasoner(Docket(self.ledger, clock), self._desk, self._router, self._answered.set)
        self.reasoner.limit, self.reasoner.routes = ceiling, {"g": (ENGINE,)}
        self._asking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._asking = asyncio.create_task(self.reasoner.run())

    async def bring(self, requests: list[Request]) -> None:
        """Let new ones wait, as the commit of their windows does."""
        await self._desk.run(self._store, requests)
        self.reasoner.wake()

    async def waiting(self) -> int:
        return await self._desk.run(count_waiting, self.ledger.db)

    async def finish(self) -> None:
        """Return when nothing waits any more."""
        while await self.waiting():
            await self._answered.wait()
            self._answered.clear()

    def load(self) -> Load:
        return self._router.loads()[ENGINE]

    async def answers(self) -> list[Answer]:
        """All that are stored."""
        return await self._desk.run(self._answers)

    async def stop(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._client.close()
        await self._desk.run(self.ledger.close)
        self._desk.close()

    def _store(self, requests: list[Request]) -> None:
        with self.ledger.transaction() as db:
            insert_requests(db, requests)

    def _answers(self) -> list[Answer]:
        rows = self.ledger.db.execute("SELECT body FROM answer")
        return [msgspec.json.decode(body, type=Answer) for (body,) in rows]


def an_engine(url: str, model: str = "tiny") -> Endpoint:
    """One that heeds priorities."""
    return Endpoint(name=ENGINE, url=url, model=model, place="Edge", scheduling="Priority")


def a_router(client: Client, engine: Endpoint, *, ceiling: int) -> Router:
    """One that knows one engine."""
    router = Router(client, Gate(b"key"), FreeSends())
    router.set_endpoints([engine], ceiling=ceiling)
    return router


def a_question(name: str, *, end_ns: int, priority: Priority, patience: Patience) -> Request:
    """One window in which a limit was passed, of a partition of its own, by which the engine knows it again."""
    return Request(
        id=name,
        site="edge-1",
        graph="line-1",
        graph_uid="g",
        partition=name,
        start_ns=end_ns - 10 * SECOND,
        end_ns=end_ns,
        expires_ns=end_ns + patience.fresh_for_seconds * SECOND,
        signature="",
        subject=a_machine_graph("m1"),
        question=Question(),
        reasoning=Reasoning(
            route="EdgeOnly",
            endpoints=(ENGINE,),
            attempt_timeout_seconds=patience.attempt_seconds,
            fresh_for_seconds=patience.fresh_for_seconds,
            max_tokens=64,
            priority=priority,
        ),
        output=Output(topic="t"),
        broker="mqtt://b",
    )
