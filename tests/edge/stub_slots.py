"""An engine with slots and a bounded queue, as a process of its own. What does not fit gets 503, as from vLLM.

Its queue heeds priorities. How long each request takes, and which meet a fault, comes from one seed, in the order in
which they are let in. It prints its port, and then a line of JSON for each request: see `tests.edge.slot_engine`.
"""

import asyncio
import itertools
import json
import random
import re
import signal
import sys
import time
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, Final

import msgspec
from aiohttp import web

from tests.edge.slot_engine import Asked, Outcome, Shape
from tests.edge.stub_engine import obedient

FAULTS: Final[tuple[Outcome, ...]] = ("reset", "stall", "error", "garbage")
TOKENS_A_SECOND: Final = 50
"""Of one request; nobody reads them, they are counted only."""
BACKLOG: Final = 4096
"""Connections that are not accepted yet: thousands come in one moment."""
_PARTITION: Final = re.compile(r"Partition (\S+)\. ")
_WINDOW: Final = re.compile(r"Window of (\S+) s from (\S+):\n")


class Slots:
    """Given to who waits with the lowest number, and then to who came first."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def take(self, priority: int) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (priority, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give()
            raise

    def give(self) -> None:
        while self._waiting:
            *_, turn = heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Visit:
    """One request on its way through."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.arrived = time.time()
        self.began: float | None = None
        self.outcome: Outcome = "gone"

    @property
    def priority(self) -> int:
        return int(self.body.get("priority", 0))

    def tell(self) -> None:
        """Write down what came of it."""
        question = self.body["messages"][1]["content"]
        partition, window = _PARTITION.search(question), _WINDOW.search(question)
        assert partition is not None
        assert window is not None
        now = time.time()
        asked = Asked(
            id=partition[1],
            window_end=datetime.fromisoformat(window[2]).timestamp() + float(window[1]),
            priority=self.body.get("priority"),
            arrived=self.arrived,
            began=self.began,
            ended=now,
            outcome=self.outcome,
            tokens=0 if self.began is None else round((now - self.began) * TOKENS_A_SECOND),
        )
        sys.stdout.write(msgspec.json.encode(asked).decode() + "\n")
        sys.stdout.flush()


class SlotEngine:
    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._slots = Slots(shape.slots)
        self._chance = random.Random(shape.seed)  # noqa: S311 - makes load
        self._inside = 0

    async def complete(self, request: web.Request) -> web.StreamResponse:
        visit = Visit(await request.json())
        try:
            return await self._visited(request, visit)
        finally:
            visit.tell()

    async def _visited(self, request: web.Request, visit: Visit) -> web.StreamResponse:
        if self._inside >= self._shape.slots + self._shape.queue:
            visit.outcome = "full"
            return web.json_response({"error": {"message": "engine is currently busy"}}, status=503)
        seconds, fault = self._drawn()
        self._inside += 1
        try:
            return await self._served(request, visit, seconds, fault)
        finally:
            self._inside -= 1

    async def _served(
        self, request: web.Request, visit: Visit, seconds: float, fault: Outcome | None
    ) -> web.StreamResponse:
        await self._slots.take(visit.priority)
        visit.began = time.time()
        try:
            await asyncio.sleep(seconds)
            if fault is not None:
                visit.outcome = fault
                return await _faulty(request, fault)
            response = await _answered(request, visit.body, seconds)
            visit.outcome = "answered"
            return response
        finally:
            self._slots.give()

    def _drawn(self) -> tuple[float, Outcome | None]:
        """Draw the same number of times for each, so that nothing hangs on what the others met."""
        shape, chance = self._shape, self._chance
        seconds = shape.median_seconds * chance.lognormvariate(0, shape.sigma)
        dice, which = chance.random(), chance.choice(FAULTS)
        return seconds, which if dice < shape.faults else None


async def _answered(request: web.Request, body: dict[str, Any], seconds: float) -> web.StreamResponse:
    """Send all of it here: who has hung up by then was not answered."""
    choice = {"message": {"content": obedient(body).text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": round(seconds * TOKENS_A_SECOND)}
    return await _sent(request, "application/json", json.dumps({"choices": [choice], "usage": usage}))


async def _faulty(request: web.Request, fault: Outcome) -> web.StreamResponse:
    if fault == "reset":
        assert request.transport is not None
        request.transport.abort()
    if fault == "stall":
        await asyncio.Event().wait()  # it keeps its slot until who asked hangs up
    if fault == "error":
        error = {"error": {"message": "internal error", "code": 500}}
        return await _sent(request, "text/event-stream", f"data: {json.dumps(error)}\n\ndata: [DONE]\n\n")
    return web.Response(text='{"choices": [{"mess', content_type="application/json")


async def _sent(request: web.Request, content_type: str, text: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.content_length = len(text)
    await response.prepare(request)
    await response.write(text.encode())
    await response.write_eof()
    return response


async def _serve(shape: Shape) -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", SlotEngine(shape).complete)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await runner.cleanup()  # whoever is inside still is written down


if __name__ == "__main__":
    asyncio.run(_serve(msgspec.json.decode(sys.argv[1], type=Shape)))
