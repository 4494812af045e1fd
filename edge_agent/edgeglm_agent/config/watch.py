"""Watches the bundle's source.

In a directory a change is looked at twice before it is called broken: it may be half written.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from edgeglm_agent.clock import Clock
from edgeglm_agent.config.freshness import Freshness, SourceState
from edgeglm_agent.config.last_good import LastGood
from edgeglm_agent.config.problem import BundleRejected, Verdict
from edgeglm_agent.config.source import Source, SourceAway
from edgeglm_agent.config.trust import Trust
from edgeglm_agent.config.verify import Received, Verified, stays_at_its_site, succeeds, verify

log = logging.getLogger(__name__)


class Applied(msgspec.Struct, frozen=True):
    """What is applied, and what was thought of the last bundle that was seen."""

    generation: int = 0
    sha256: str = ""
    verdict: str = "None"
    """Applied, Rejected, or None when there never was one."""
    signer: str = ""
    """The id of the trusted key that signed what is applied."""
    reason: str = ""
    message: str = ""


class Watch:
    """Owner of what is applied."""

    def __init__(
        self,
        source: Source,
        trust: Trust,
        last_good: LastGood,
        apply: Callable[[Verified], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._source = source
        self._trust = trust
        self._last_good = last_good
        self._apply = apply
        self._clock = clock
        self._freshness = Freshness(source.address, clock)
        self._rejected: Received | None = None
        self._suspect: Received | str | None = None
        self._kept: Verified | None = None
        self.current: Verified | None = None
        self.state = Applied()
        self.on_verdict: Callable[[], None] = _nothing
        """Called when `state` says something else than before."""
        self.rejections: dict[str, int] = {}

    @property
    def source(self) -> SourceState:
        """How it stands with the source."""
        return self._freshness.state()

    async def start(self) -> None:
        """Begin with what lies there or, where that cannot be had at once, with the last good bundle."""
        self._kept = await asyncio.to_thread(self._last_good.load)
        if not self._source.mounted:
            await self._begin_with_last_good()
        await self.look()
        await self._begin_with_last_good()

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._source.pause_seconds())
            await self.look()

    async def look(self) -> None:
        """Look once."""
        received: Received | None = None
        try:
            received = await self._source.read()
            if received != self._rejected:
                await self._consider(received)
        except SourceAway as away:
            if self._freshness.failed(str(away)):
                log.warning("no bundle is to be had, what is applied stays: %s", away)
        except BundleRejected as rejection:
            self._freshness.doubted()
            self._reject(received, rejection)

    async def _begin_with_last_good(self) -> None:
        if self.current is None and self._kept is not None:
            log.warning("starting with the last good bundle")
            self._freshness.began(await asyncio.to_thread(self._last_good.confirmed_ns))
            await self._switch_to(self._kept)

    async def _consider(self, received: Received) -> None:
        verified = verify(received, self._trust)
        known = self.current or self._kept
        if not self._source.mounted:
            stays_at_its_site(verified, known)
        # The same content may come with other signatures, and the newest are to be kept.
        if succeeds(verified, known) or verified != self.current:
            await self._keep(verified)
            await self._switch_to(verified)
        await self._confirm()

    async def _keep(self, verified: Verified) -> None:
        try:
            await asyncio.to_thread(self._last_good.save, verified)
        except OSError as error:  # the disk is full, say; what cannot be kept is not begun with
            raise SourceAway(f"generation {verified.bundle.generation} cannot be kept: {error}") from error

    async def _switch_to(self, verified: Verified) -> None:
        await self._apply(verified)
        self.current = verified
        log.info("applied bundle %d (%s)", verified.bundle.generation, verified.sha256[:12])
        self._noted_applied()

    async def _confirm(self) -> None:
        self._noted_applied()
        self._rejected = self._suspect = None
        self._freshness.confirmed()
        if not self._source.mounted:
            await asyncio.to_thread(self._last_good.confirm, self._clock())

    def _noted_applied(self) -> None:
        if self.current is not None:
            self._tell(
                Applied(
                    generation=self.current.bundle.generation,
                    sha256=self.current.sha256,
                    verdict="Applied",
                    signer=self.current.signer,
                    reason=Verdict.APPLIED,
                )
            )

    def _reject(self, received: Received | None, rejection: BundleRejected) -> None:
        suspect = received or str(rejection)
        if self._source.mounted and self._suspect != suspect:
            self._suspect = suspect
            return
        self._rejected = received
        if self.state.verdict == "Rejected" and self.state.message == str(rejection):
            return
        self.rejections[rejection.verdict] = self.rejections.get(rejection.verdict, 0) + 1
        self._tell(
            msgspec.structs.replace(
                self.state, verdict="Rejected", reason=rejection.verdict, message=str(rejection)[:1000]
            )
        )
        log.error("bundle rejected (%s), the last good one stays: %s", rejection.verdict, rejection)

    def _tell(self, state: Applied) -> None:
        if state != self.state:
            self.state = state
            self.on_verdict()


def _nothing() -> None:
    return None
