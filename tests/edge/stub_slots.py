"""An engine with few slots and a short queue, as a process of its own. What does not fit gets 503, as from vLLM.

Some requests meet a fault, in a fixed order. It prints its port, and then one line of JSON for each request.
"""

import asyncio
import json
import random
import re
import sys
from typing import Any, Final

from aiohttp import web

from tests.edge.stub_engine import obedient

SLOTS: Final = 8
QUEUE: Final = 16
FAULTS: Final = {5: "reset", 13: "stall", 21: "garbage"}
"""Which of each 25 requests that are let in."""
_NUMBER: Final = re.compile(r"Number (\d+)\.")


class SlotEngine:
    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(SLOTS)
        self._chance = random.Random(7)  # noqa: S311 - makes load
        self._inside = 0
        self._let_in = 0

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if self._inside >= SLOTS + QUEUE:
            _tell(body, "full")
            return web.json_response({"error": {"message": "engine is currently busy"}}, status=503)
        self._let_in += 1
        what = FAULTS.get(self._let_in % 25, "answered")
        self._inside += 1
        try:
            async with self._slots:
                await asyncio.sleep(self._chance.lognormvariate(-4.0, 0.5))
        finally:
            self._inside -= 1
        _tell(body, what)
        return await _end(request, body, what)


async def _end(request: web.Request, body: dict[str, Any], what: str) -> web.StreamResponse:
    if what == "reset":
        assert request.transport is not None
        request.transport.abort()
    if what == "stall":
        await asyncio.sleep(3600)
    if what == "garbage":
        return web.Response(text='{"choices": [{"mess', content_type="application/json")
    choice = {"message": {"content": obedient(body).text}, "finish_reason": "stop"}
    return web.json_response({"choices": [choice]})


def _tell(body: dict[str, Any], what: str) -> None:
    found = _NUMBER.search(json.dumps(body["messages"]))
    assert found is not None
    line = {"number": int(found[1]), "priority": body.get("priority"), "what": what}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def _serve() -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", SlotEngine().complete)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
