"""Two hundred requests for an engine that can bear twenty-four at once, and that fails now and then."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.reason.reasoner import Reasoner
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.router import Load, Router
from edgeglm_agent.spool.desk import Desk
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import count_waiting, insert_requests
from edgeglm_api.bundle import Endpoint, Reasoning
from edgeglm_api.sensor_graph import Output, Priority, Question
from tests.edge.stub_slots import QUEUE, SLOTS
from tests.unit.agent.observations import SECOND, a_machine_graph

EACH: Final = 100
CEILING: Final = 64
ENOUGH_SECONDS: Final = 240.0


class Engine:
    """The stub's process, and what it said."""

    def __init__(self, log: Path) -> None:
        self._log = log
        with log.open("w") as out:
            self._process = subprocess.Popen([sys.executable, "-m", "tests.edge.stub_slots"], stdout=out)

    async def url(self) -> str:
        async with asyncio.timeout(ENOUGH_SECONDS):
            while not self._log.read_text().endswith("\n"):
                assert self._process.poll() is None
                await asyncio.sleep(0.05)
        return f"http://127.0.0.1:{self._log.read_text().splitlines()[0]}/v1"

    def end(self) -> list[dict[str, Any]]:
        """End it, and return what it was asked, in order."""
        self._process.kill()
        self._process.wait()
        return [json.loads(line) for line in self._log.read_text().splitlines()[1:]]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "engine.log")
    yield engine
    engine.end()


def a_request(number: int, priority: Priority) -> Request:
    return Request(
        id=f"r{number}",
        site="edge-1",
        graph="line-1",
        graph_uid="g",
        partition=f"p{number:03}",
        start_ns=100 * SECOND,
        end_ns=110 * SECOND,
        expires_ns=200 * SECOND,
        signature="",
        subject=a_machine_graph("m1"),
        question=Question(instructions=f"Number {number}."),
        reasoning=Reasoning(
            route="EdgeOnly",
            endpoints=("engine",),
            attempt_timeout_seconds=2,
            fresh_for_seconds=90,
            max_tokens=64,
            priority=priority,
        ),
        output=Output(topic="t"),
        broker="mqtt://b",
    )


async def ask_all(ledger: Ledger, url: str) -> Load:
    """Ask until nothing waits; time stands still meanwhile, so that nothing expires."""
    client, desk = Client(), Desk()
    router = Router(client)
    router.set_endpoints(
        [Endpoint(name="engine", url=url, model="tiny", place="Edge", scheduling="Priority")], ceiling=CEILING
    )
    answered = asyncio.Event()
    reasoner = Reasoner(Docket(ledger, lambda: 110 * SECOND), desk, router, answered.set)
    reasoner.limit, reasoner.routes = CEILING, {"g": ("engine",)}
    asking = asyncio.create_task(reasoner.run())
    try:
        async with asyncio.timeout(ENOUGH_SECONDS):
            while await desk.run(count_waiting, ledger.db):
                await answered.wait()
                answered.clear()
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await client.close()
        desk.close()
    assert reasoner.faults == 0
    return router.loads()["engine"]


async def test_all_are_answered_the_high_ones_first_and_a_full_engine_is_not_stormed(
    tmp_path: Path, engine: Engine
) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    with ledger.transaction() as db:
        insert_requests(db, (a_request(number, "Low") for number in range(EACH)))
        insert_requests(db, (a_request(EACH + number, "High") for number in range(EACH)))
    load = await ask_all(ledger, await engine.url())
    asked = engine.end()

    bodies = [msgspec.json.decode(body) for (body,) in ledger.db.execute("SELECT body FROM answer")]
    ledger.close()
    assert Counter(body["status"] for body in bodies) == {"Ok": 2 * EACH}
    assert len({body["requestId"] for body in bodies}) == 2 * EACH

    met = Counter(each["what"] for each in asked)
    assert min(met["reset"], met["stall"], met["garbage"], met["full"]) > 0, f"all faults were met: {met}"
    assert met["full"] == load.busy
    assert met["full"] <= 2 * EACH, f"it came down to what the engine bears: {met}"
    assert load.cuts > 0
    assert load.in_flight == 0

    first = list(dict.fromkeys(each["number"] for each in asked))
    assert sum(number >= EACH for number in first[:EACH]) >= 3 * EACH // 4, "one turn in eight is of the oldest"
    assert {each["priority"] for each in asked} == {-10, 10}
    assert SLOTS + QUEUE < CEILING
