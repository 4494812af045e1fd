"""Drives the fold: a step whenever something was committed, and a tick in the log when nothing was for a while."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Final

from edgeglm_agent.clock import Clock
from edgeglm_agent.config.verify import Verified
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.pipeline.pipeline import Pipeline, Progress
from edgeglm_agent.pipeline.room import Room
from edgeglm_agent.spool.entry import Tick
from edgeglm_agent.spool.handoff import Handed
from edgeglm_agent.spool.spool import Spool
from edgeglm_api.bundle import Bundle

IDLE_SECONDS: Final = 1.0
CROWDED_SECONDS: Final = 0.2
RETRY_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class Driver:
    """The asyncio side of the pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        room: Room,
        spool: Spool,
        clock: Clock,
        *,
        on_progress: Callable[[Progress], None],
        listening: Callable[[], bool],
    ) -> None:
        self._pipeline = pipeline
        self._room = room
        self._spool = spool
        self._clock = clock
        self._on_progress = on_progress
        self._listening = listening
        self._loop = asyncio.get_running_loop()
        self._committed = asyncio.Event()
        self._ticked_ns = 0
        self.moved_at = self._loop.time()
        self.commit_failures = 0

    def committed(self) -> None:
        """The raw log has grown; called on the writer's thread."""
        try:
            self._loop.call_soon_threadsafe(self._committed.set)
        except RuntimeError:  # the loop is closed: the process is about to end
            return

    async def run(self) -> None:
        """Fold until cancelled."""
        while True:
            self._committed.clear()
            progress = await self.step()
            if progress.crowded:
                await asyncio.sleep(CROWDED_SECONDS)
            elif progress.folded == 0 and not progress.made_room:
                await self._idle(progress)

    async def step(self) -> Progress:
        """Make one step, however often the disk has to be asked."""
        while True:
            try:
                progress = await self._spool.desk.run(self._step)
            except sqlite3.OperationalError as error:
                await self._wait_for_disk(error)
                continue
            self.moved_at = self._loop.time()
            self._on_progress(progress)
            return progress

    async def apply(self, verified: Verified) -> None:
        """Take on a bundle."""
        while True:
            try:
                self._on_progress(await self._spool.desk.run(self._apply, verified.bundle))
            except sqlite3.OperationalError as error:
                await self._wait_for_disk(error)
            else:
                return

    async def finish(self, seconds: float) -> None:
        """Fold what is committed and write a checkpoint; what there is no time for is folded at the next start."""
        try:
            async with asyncio.timeout(seconds):
                while (await self.step()).folded:
                    pass
                await self._spool.desk.run(self._pipeline.checkpoint)
        except (TimeoutError, sqlite3.Error) as error:
            log.warning("stopped without a last checkpoint: %s", str(error) or "no time left")

    def _apply(self, bundle: Bundle) -> Progress:
        self._spool.apply(bundle.limits)
        self._room.apply(bundle.limits)
        return self._pipeline.apply(bundle)

    def _step(self) -> Progress:
        return self._room.make() or self._pipeline.step()

    async def _wait_for_disk(self, error: sqlite3.OperationalError) -> None:
        self.commit_failures += 1
        self.moved_at = self._loop.time()  # blocked is not dead: a restart would not make room
        log.error("the ledger cannot be written, will try again: %s", error)
        await asyncio.sleep(RETRY_SECONDS)

    async def _idle(self, progress: Progress) -> None:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._committed.wait()
        except TimeoutError:
            if progress.awaits_time and self._listening():
                self._tick()

    def _tick(self) -> None:
        """Write into the log that time goes by; with the hand-off full there is no need to."""
        now = self._clock()
        if now - self._ticked_ns >= IDLE_SECONDS * NANOS_PER_SECOND or now < self._ticked_ns:
            self._ticked_ns = now
            self._spool.handoff.put(Handed((Tick(now),)), wait_seconds=0)
