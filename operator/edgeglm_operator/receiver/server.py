"""Reports over HTTPS, within bounds of bytes, seconds and numbers. Who may not report costs one comparison."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final

from aiohttp import web

from edgeglm_api.model import InvalidObject
from edgeglm_api.report import MAX_BYTES, Report, decode
from edgeglm_api.reporting_site import ReportingSite, report_path
from edgeglm_operator.receiver.caller import Keys, admit
from edgeglm_operator.receiver.connections import Connections
from edgeglm_operator.receiver.desk import RETRY_AFTER_SECONDS, Desk
from edgeglm_operator.receiver.memory import PAUSE_SECONDS, Memory
from edgeglm_operator.receiver.metrics import HEARD, WRITTEN, Metrics
from edgeglm_operator.receiver.refusal import Because, Refusal

BODY_SECONDS: Final = 10.0
MOST_AT_ONCE: Final = 256
"""Reports that are read or wait for the API server."""
_ROUTE: Final = report_path(ReportingSite("{namespace}", "{name}", "{uid}"))

log = logging.getLogger(__name__)


class Server:
    """Serves until stopped."""

    def __init__(self, desk: Desk, memory: Memory, keys: Keys, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._desk = desk
        self._memory = memory
        self._keys = keys
        self._metrics = metrics
        self._clock = clock
        self._at_once = 0
        self._runner: web.AppRunner | None = None
        self._connections: Connections | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext) -> int:
        """Listen; returns the port, which the system chooses when 0 is asked for."""
        app = web.Application()
        app.router.add_post(_ROUTE, self._report)
        # What is packed is not unpacked, and what is left of a body that was refused is not waited for.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            lingering_time=1.0,
            keepalive_timeout=75.0,
            shutdown_timeout=5.0,
        )
        await self._runner.setup()
        if self._runner.server is not None:  # as it is once set up
            self._connections = Connections(self._runner.server, self._metrics.count_ended)
        await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        return int(self._runner.addresses[0][1])

    async def follow(self) -> None:
        """Look after the connections until cancelled."""
        if self._connections is not None:
            await self._connections.follow()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _report(self, request: web.Request) -> web.Response:
        try:
            result = WRITTEN if await self._take(request) else HEARD
        except Refusal as refusal:
            self._metrics.count(refusal.because.word)
            return _answer(refusal)
        self._metrics.count(result)
        return web.Response(status=204)

    async def _take(self, request: web.Request) -> bool:
        site = ReportingSite(**request.match_info)
        admit(site, request.headers.get("Authorization", ""), self._keys)
        if self._at_once >= MOST_AT_ONCE:
            raise Refusal(Because.BUSY, "too many reports at once", retry_after_seconds=RETRY_AFTER_SECONDS)
        self._at_once += 1
        try:
            return await self._take_from(site, request)
        finally:
            self._at_once -= 1

    async def _take_from(self, site: ReportingSite, request: web.Request) -> bool:
        remembered = self._memory.of(site, self._clock())
        if not remembered.may_report(self._clock()):
            pause = round(PAUSE_SECONDS)
            raise Refusal(Because.TOO_OFTEN, f"one report in {pause} s is taken", retry_after_seconds=pause)
        return await self._desk.take(site, remembered, await _read(request))


async def _read(request: web.Request) -> Report:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _at_most(MAX_BYTES + 1, request)
    except TimeoutError as error:
        raise Refusal(Because.TOO_SLOW, f"no whole report within {BODY_SECONDS:g} s") from error
    if len(body) > MAX_BYTES:
        raise Refusal(Because.TOO_LARGE, f"a report has at most {MAX_BYTES} bytes")
    try:
        return decode(body)
    except InvalidObject as error:
        raise Refusal(Because.MALFORMED, str(error)[:500]) from error


async def _at_most(number: int, request: web.Request) -> bytes:
    body = b""
    while len(body) < number and (more := await request.content.read(number - len(body))):
        body += more
    return body


def _answer(refusal: Refusal) -> web.Response:
    headers = {"Retry-After": str(refusal.retry_after_seconds)} if refusal.retry_after_seconds else {}
    text = f"{refusal.because.word}: {refusal}\n"
    response = web.Response(text=text, status=refusal.because.status, headers=headers)
    response.force_close()  # part of the body may still be on its way
    return response
