"""What happens to the others when one is answered, and when it is not."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeglm_agent.reason.client import Client, Reply
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.reason.errors import Busy
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.reasoner import Reasoner
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.router import Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_agent.spool.desk import Desk
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import insert_requests
from edgeglm_api.bundle import Endpoint
from edgeglm_api.sensor_graph import Question
from tests.edge.stub_engine import Scripted, StubEngine, obedient

from .observations import SECOND
from .test_asker import a_request

ENOUGH_SECONDS = 120.0


def one(name: str, *, start: int) -> Request:
    return msgspec.structs.replace(
        a_request("m1"),
        id=name,
        partition=name,
        start_ns=start * SECOND,
        question=Question(instructions=f"This is {name}."),
    )


def garbage_for_the_first(body: dict[str, Any]) -> Scripted:
    return Scripted("ill", status=500) if "This is first." in str(body["messages"]) else obedient(body)


async def test_who_is_not_answered_does_not_stand_in_the_way_of_others(tmp_path: Path) -> None:
    """One at a time, and the first, which is asked first, meets an error: the second is asked before it is again."""
    engine, client, desk = StubEngine(garbage_for_the_first), Client(), Desk()
    engine.start()
    ledger = Ledger(tmp_path / "ledger.db")
    with ledger.transaction() as db:
        insert_requests(db, [one("first", start=100), one("second", start=101)])
    router, answered = Router(client, Gate(b"key"), FreeSends()), asyncio.Event()
    router.set_endpoints([Endpoint(name="engine", url=engine.url, model="tiny", place="Edge")], ceiling=1)
    reasoner = Reasoner(Docket(ledger, lambda: 110 * SECOND), desk, router, answered.set)
    asking = asyncio.create_task(reasoner.run())
    async with asyncio.timeout(ENOUGH_SECONDS):
        await answered.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await client.close()
    desk.close()
    engine.stop()
    told = [request_id for (request_id,) in ledger.db.execute("SELECT request_id FROM answer")]
    ledger.close()
    assert told == ["second"]
    assert ["first" if "This is first." in str(body["messages"]) else "second" for body in engine.asked[:2]] == [
        "first",
        "second",
    ]


class InHand(Client):
    """Answers when told to, or says that it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = deque[asyncio.Future[Reply]]()
        self.came = 0
        self._one_came = asyncio.Event()

    async def complete(self, _endpoint: Endpoint, body: dict[str, Any], _timeout_seconds: float) -> Reply:
        reply = asyncio.get_running_loop().create_future()
        self.waiting.append(reply)
        self.came += 1
        self._one_came.set()
        self._text = obedient(body).text or ""
        answer: Reply = await reply
        return answer

    def answer(self) -> None:
        self.waiting.popleft().set_result(Reply(text=self._text, cut_off=False))

    def say_full(self) -> None:
        self.waiting.popleft().set_exception(Busy("full", 1000.0))

    async def until_came(self, number: int) -> None:
        async with asyncio.timeout(ENOUGH_SECONDS):
            while self.came < number:
                self._one_came.clear()
                await self._one_came.wait()


class Quick(Router):
    """Knows that another place is free very soon while anything is under way."""

    def soon(self) -> dict[str, int]:
        return {name: int(load.in_flight > 0 and self.free()[name] == 0) for name, load in self.loads().items()}


class Site:
    """A reasoner that asks one at a time, of an engine that is in hand."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = 110 * SECOND
        self.engine, self.desk, self.ledger = InHand(), Desk(), Ledger(folder / "ledger.db")
        router = Quick(self.engine, Gate(b"key"), FreeSends())
        endpoint = Endpoint(name="engine", url="http://127.0.0.1:1/v1", model="tiny", place="Edge")
        router.set_endpoints([endpoint], ceiling=1)
        self._told = asyncio.Event()
        self.reasoner = Reasoner(Docket(self.ledger, lambda: self.now_ns), self.desk, router, self._told.set)
        self.reasoner.routes = {"g": ("engine",)}

    async def until_told(self, *statuses: str) -> None:
        """Return when just these answers are stored."""
        async with asyncio.timeout(ENOUGH_SECONDS):
            while await self.desk.run(self.told) != list(statuses):
                await self._told.wait()
                self._told.clear()

    def told(self) -> list[str]:
        rows = self.ledger.db.execute("SELECT body FROM answer ORDER BY seq").fetchall()
        return [msgspec.json.decode(body)["status"] for (body,) in rows]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Where two wait; the first is asked, and the second stands ready."""
    site = Site(tmp_path)
    with site.ledger.transaction() as db:
        insert_requests(db, [one("first", start=100), one("second", start=101)])
    asking = asyncio.create_task(site.reasoner.run())
    await site.engine.until_came(1)
    site.reasoner.wake()
    async with asyncio.timeout(ENOUGH_SECONDS):
        while not site.reasoner.ready:
            await site.desk.run(site.told)
    yield site
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await site.engine.close()
    site.desk.close()
    site.ledger.close()


async def test_the_next_is_asked_while_the_answer_is_on_its_way_to_the_disk(site: Site) -> None:
    """Between an answer and the next request the ledger is not waited for at all."""
    busy = threading.Event()
    waits = asyncio.create_task(site.desk.run(busy.wait))
    site.engine.answer()
    await site.engine.until_came(2)
    assert site.told() == [], "the ledger's thread does nothing yet"
    busy.set()
    await waits
    site.engine.answer()
    await site.until_told("Ok", "Ok")


async def test_who_stands_ready_for_a_place_that_does_not_come_free_waits_like_the_others(site: Site) -> None:
    """The engine is full and asks for a long pause; meanwhile it becomes too late for both."""
    site.engine.say_full()
    site.now_ns = 1000 * SECOND
    await site.until_told("Expired", "Expired")
    assert site.engine.came == 1
    assert not site.reasoner.ready
