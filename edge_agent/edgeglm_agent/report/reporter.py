"""When reports go out: at intervals, earlier when there is news, and less often while nobody takes them.

Each is made when it is sent. One that is not taken is not kept: the next one says all that it said, and newer.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from edgeglm_agent.clock import Clock
from edgeglm_agent.config.https_source import jittered
from edgeglm_agent.health.status import ReportingStatus
from edgeglm_agent.moment import rfc3339
from edgeglm_agent.mqtt.backoff import Backoff
from edgeglm_agent.report.outages import Outages
from edgeglm_agent.report.sender import NotDelivered, Sender
from edgeglm_api.report import Outage, Report, encode

INTERVAL_SECONDS: Final = 30.0
APART_SECONDS: Final = 5.0
"""The receiver takes no more in the long run."""
MOST_PAUSE_SECONDS: Final = 300.0

log = logging.getLogger(__name__)


class Issue(msgspec.Struct, frozen=True):
    """What tells one report from another of the same state."""

    boot_id: str
    sequence: int
    now_ns: int
    outage: Outage | None


class Pauses(msgspec.Struct, frozen=True):
    """In seconds."""

    interval: float = INTERVAL_SECONDS
    apart: float = APART_SECONDS
    most: float = MOST_PAUSE_SECONDS


class Reporter:
    """Made on the event loop, run once."""

    def __init__(
        self,
        sender: Sender,
        make: Callable[[Issue], Awaitable[Report]],
        outages: Outages,
        clock: Clock,
        pauses: Pauses = Pauses(),  # noqa: B008 - it is frozen
    ) -> None:
        self._sender = sender
        self._make = make
        self._outages = outages
        self._clock = clock
        self._pauses = pauses
        self._backoff = Backoff(first_seconds=pauses.apart, most_seconds=pauses.most)
        self._news = asyncio.Event()
        self._boot_id = secrets.token_hex(8)
        self._sequence = 0
        self._delivered = 0
        self._failed: dict[str, int] = {}
        self._last_delivered_at = ""
        self._failure = ""

    def wake(self) -> None:
        """There is news."""
        self._news.set()

    @property
    def status(self) -> ReportingStatus:
        """How it stands."""
        return ReportingStatus(self._delivered, dict(self._failed), self._last_delivered_at, self._failure)

    async def run(self) -> None:
        """Report until cancelled. The first one waits a moment for the site to begin, or to have something to tell."""
        pause = self._pauses.apart
        while True:
            await self._news_or(pause)
            pause = await self.report()
            await asyncio.sleep(min(pause, self._pauses.apart))
            pause -= self._pauses.apart

    async def report(self) -> float:
        """Report once; returns how long to wait then, in seconds."""
        self._news.clear()
        self._sequence += 1
        try:
            now_ns = self._clock()
            issue = Issue(self._boot_id, self._sequence, now_ns, self._outages.last(now_ns))
            await self._sender.send(encode(await self._make(issue)))
        except NotDelivered as error:
            return self._not_delivered(error.reason, str(error), error.retry_after_seconds)
        except Exception as error:
            if self._failure != "Fault":
                log.exception("a bug: please report it with this stack")
            return self._not_delivered("Fault", type(error).__name__, 0)
        return self._was_delivered()

    async def _news_or(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._news.wait()

    def _was_delivered(self) -> float:
        if self._failure:
            log.warning("reports are taken again")
        self._failure = ""
        self._delivered += 1
        self._backoff.succeeded()
        now_ns = self._clock()
        self._last_delivered_at = rfc3339(now_ns)
        self._outages.delivered(now_ns)
        return jittered(self._pauses.interval)

    def _not_delivered(self, reason: str, failure: str, at_least: float) -> float:
        if self._failure != failure:
            log.warning("the report is not taken, a newer one is sent later: %s: %s", reason, failure)
        self._failure = failure
        self._failed[reason] = self._failed.get(reason, 0) + 1
        self._outages.missed(self._clock())
        return max(self._backoff.next_seconds(), at_least)
