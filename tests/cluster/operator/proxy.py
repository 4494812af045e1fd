"""A proxy between one operator and the API server: it writes down each request, and can let one fail.

The operator speaks plain HTTP to it; towards the API server it uses TLS and passes on the operator's own token, so that
authentication and RBAC are the real ones.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import web

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HOP_HEADERS = frozenset({"host", "connection", "transfer-encoding", "content-length"})


@dataclass(frozen=True)
class Request:
    """What the operator asked for."""

    method: str
    path: str

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.method in WRITES

    @property
    def is_watch(self) -> bool:
        """Whether its answer has no end."""
        return "watch=" in self.path

    @property
    def is_for_the_lease(self) -> bool:
        """Whether it is the elector's."""
        return "/leases" in self.path


@dataclass(frozen=True)
class Answer:
    """What to say instead of asking the API server."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    text: str = '{"kind": "Status", "message": "induced by the test"}'


Rule = Callable[[Request], Answer | None]


def pass_on(_request: Request) -> Answer | None:
    """The rule of an honest proxy."""
    return None


class Proxy:
    """Runs in a thread of its own, with a loop of its own."""

    def __init__(self, server: str, ca: Path) -> None:
        self._server = server
        self._ca = ca
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.requests: list[Request] = []
        self.forbidden: list[str] = []
        """The paths that the API server answered with 403."""
        self.before: Rule = pass_on
        """Asked before a request is passed on."""
        self.after: Rule = pass_on
        """Asked when the API server has answered, before the operator hears of it."""
        self._watches_flow = asyncio.Event()
        self._watches_flow.set()
        self.port = 0

    @property
    def writes(self) -> list[Request]:
        """What may have changed something, but for the Lease."""
        return [request for request in self.requests if request.is_write and not request.is_for_the_lease]

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    @contextlib.contextmanager
    def watching(self) -> Iterator[list[Request]]:
        """The requests made inside."""
        first = len(self.requests)
        seen: list[Request] = []
        yield seen
        seen += self.requests[first:]

    @contextlib.contextmanager
    def stalled_watches(self) -> Iterator[None]:
        """Inside, watches stop where they are, their connections open; what was held comes afterwards."""
        self._loop.call_soon_threadsafe(self._watches_flow.clear)
        yield
        self._loop.call_soon_threadsafe(self._watches_flow.set)

    async def _start(self) -> None:
        context = ssl.create_default_context(cafile=str(self._ca))
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = int(self._runner.addresses[0][1])

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        request = Request(incoming.method, incoming.path_qs)
        self.requests.append(request)
        if answer := self.before(request):
            return _said(answer)
        headers = {key: value for key, value in incoming.headers.items() if key.lower() not in _HOP_HEADERS}
        try:
            async with self._session.request(
                incoming.method,
                f"{self._server}{incoming.path_qs}",
                headers=headers,
                data=await incoming.read() or None,
                skip_auto_headers=["Content-Type", "User-Agent"],
                timeout=aiohttp.ClientTimeout(total=None),
            ) as response:
                if response.status == 403:
                    self.forbidden.append(request.path)
                if answer := self.after(request):
                    return _said(answer)
                return await self._stream(request, incoming, response)
        except aiohttp.ClientConnectionError:
            # The API server is away: so is the proxy, as far as the operator can tell.
            if incoming.transport is not None:
                incoming.transport.abort()
            return web.Response(status=502)

    async def _stream(
        self, request: Request, incoming: web.Request, response: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        headers = {key: value for key, value in response.headers.items() if key.lower() not in _HOP_HEADERS}
        outgoing = web.StreamResponse(status=response.status, headers=headers)
        await outgoing.prepare(incoming)
        with contextlib.suppress(aiohttp.ClientPayloadError, ConnectionResetError):
            async for chunk in response.content.iter_any():
                if request.is_watch:
                    await self._watches_flow.wait()
                await outgoing.write(chunk)
        with contextlib.suppress(ConnectionResetError):
            await outgoing.write_eof()
        return outgoing


def _said(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, text=answer.text, headers=dict(answer.headers), content_type="application/json"
    )
