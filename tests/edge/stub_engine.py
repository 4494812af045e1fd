"""A stand-in for an OpenAI-compatible engine, for faults that a real one will not show on demand."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from typing import Any

from aiohttp import web

BACKLOG = 1024
"""Connections that are not accepted yet; of the usual 128 a busy machine drops some, and a client gives up on them."""
Script = Callable[[dict[str, Any]], "Scripted"]


class Scripted:
    """What to answer, and how."""

    def __init__(
        self,
        text: str | None = "",
        *,
        status: int = 200,
        finish: str = "stop",
        delay: float = 0.0,
        retry_after: str | None = None,
        **message: str,
    ) -> None:
        self.text = text
        self.message = message
        """Fields of the message beside its content, such as what a reasoning parser took out of it."""
        self.status = status
        self.finish = finish
        self.delay = delay
        self.headers = {} if retry_after is None else {"Retry-After": retry_after}


def obedient(body: dict[str, Any]) -> Scripted:
    """Report the first node and evidence that the schema allows; a model that does as it is told."""
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    item = properties["findings"].get("items")
    if item is None:
        return Scripted(json.dumps({"assessment": "normal", "findings": []}))
    finding = {
        "node": item["properties"]["node"]["enum"][0],
        "evidence": item["properties"]["evidence"]["items"]["enum"],
        "confidence": "High",
        "comment": "worn bearing",
    }
    finding["evidence"] = finding["evidence"][: item["properties"]["evidence"]["maxItems"]]
    return Scripted(json.dumps({"assessment": "anomaly", "findings": [finding]}))


class StubEngine:
    """Runs in a thread of its own, so that a test need not be on its loop."""

    def __init__(self, script: Script = obedient, port: int = 0) -> None:
        self.script = script
        self.port = port
        self.model = "m"
        """The one that it lists."""
        self.asked: list[dict[str, Any]] = []
        self.heard: list[bytes] = []
        """Each request as it came: its path, its headers, its body."""
        self.keys: list[str | None] = []
        """What stood in each request's Authorization."""
        self.tls: ssl.SSLContext | None = None
        """What it shows, from its next start on; None: it speaks in the clear."""
        self.together = 1
        """How many requests must have come before any is answered."""
        self._all_came = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._started.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    def stop(self) -> None:
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._thread = None

    def _run(self) -> None:
        assert self._loop is not None
        runner = self._loop.run_until_complete(self._serve())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(_end(runner))
        # Those that answer late to somebody who has gone.
        for task in (late := asyncio.all_tasks(self._loop)):
            task.cancel()
        self._loop.run_until_complete(asyncio.wait(late) if late else asyncio.sleep(0))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _serve(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._list)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True, backlog=BACKLOG, ssl_context=self.tls)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self.model}]})

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        head = [f"{request.method} {request.path_qs}", *(f"{name}: {value}" for name, value in request.headers.items())]
        self.heard.append("\n".join(head).encode() + b"\n\n" + await request.read())
        self.asked.append(body)
        self.keys.append(request.headers.get("Authorization"))
        if len(self.asked) >= self.together:
            self._all_came.set()
        await self._all_came.wait()
        answer = self.script(body)
        await asyncio.sleep(answer.delay)
        if answer.status != 200:
            error = {"error": {"message": answer.text}}
            return web.json_response(error, status=answer.status, headers=answer.headers)
        message = {"role": "assistant", "content": answer.text, **answer.message}
        choice = {"index": 0, "message": message, "finish_reason": answer.finish}
        return web.json_response(
            {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}}
        )


async def _end(runner: web.AppRunner) -> None:
    """Stop, and wait for nobody: with TLS, to begin or to end takes the other side."""
    await runner.cleanup()
    # Python has no public way to those that are still shaking hands before 3.13 (`Server.abort_clients`).
    for transport in list(vars(asyncio.get_running_loop())["_transports"].values()):
        transport.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
