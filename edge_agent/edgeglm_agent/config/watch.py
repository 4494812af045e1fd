"""Watches the bundle's directory. A change is looked at twice before it is called broken: it may be half written."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from edgeglm_agent.config.directory import read_directory
from edgeglm_agent.config.problem import BundleRejected, Verdict
from edgeglm_agent.config.trust import Trust
from edgeglm_agent.config.verify import Received, Verified, succeeds, verify

POLL_SECONDS: Final = 1.0

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

    def __init__(self, folder: Path, trust: Trust, apply: Callable[[Verified], Awaitable[None]]) -> None:
        self._folder = folder
        self._trust = trust
        self._apply = apply
        self._rejected: Received | None = None
        self._suspect: Received | str | None = None
        self._last_good: Verified | None = None
        self.current: Verified | None = None
        self.state = Applied()
        self.rejections: dict[str, int] = {}

    async def start(self, last_good: Verified | None) -> None:
        """Look for the first time; without a bundle that may follow the last good one, go on with that."""
        self._last_good = last_good
        await self.look()
        if self.current is None and last_good is not None:
            log.warning("starting with the last good bundle")
            await self.take(last_good)

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look once."""
        received: Received | None = None
        try:
            received = await asyncio.to_thread(read_directory, self._folder)
            if received == self._rejected:
                return
            verified = verify(received, self._trust)
            # The same content may come with other signatures, and the newest are to be kept.
            if succeeds(verified, self.current or self._last_good) or verified != self.current:
                await self.take(verified)
            self._noted_applied()
            self._rejected = self._suspect = None
        except BundleRejected as rejection:
            self._reject(received, rejection)

    async def take(self, verified: Verified) -> None:
        """Apply a verified bundle."""
        await self._apply(verified)
        self.current = verified
        log.info("applied bundle %d (%s)", verified.bundle.generation, verified.sha256[:12])
        self._noted_applied()

    def _noted_applied(self) -> None:
        if self.current is not None:
            self.state = Applied(
                generation=self.current.bundle.generation,
                sha256=self.current.sha256,
                verdict="Applied",
                signer=self.current.signer,
                reason=Verdict.APPLIED,
            )

    def _reject(self, received: Received | None, rejection: BundleRejected) -> None:
        suspect = received or str(rejection)
        if self._suspect != suspect:
            self._suspect = suspect
            return
        self._rejected = received
        if self.state.verdict == "Rejected" and self.state.message == str(rejection):
            return
        self.rejections[rejection.verdict] = self.rejections.get(rejection.verdict, 0) + 1
        self.state = msgspec.structs.replace(
            self.state, verdict="Rejected", reason=rejection.verdict, message=str(rejection)[:1000]
        )
        log.error("bundle rejected (%s), the last good one stays: %s", rejection.verdict, rejection)
