"""What happens to the others when one is not answered."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.docket import Docket
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
