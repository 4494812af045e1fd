"""Decides whether a jump of the machine's clock is followed: the readings that carry their own time bear witness.

A clock that is set right, as after a boot without a battery, must be followed, or all readings would seem to come from
the future. One that is set wrong must not: windows would be over before their readings come, questions would be too
late at once, or nothing could be read any more. The machine itself cannot tell one from the other.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final

from edgeglm_agent.clock import SteadyClock
from edgeglm_agent.moment import NANOS_PER_SECOND
from edgeglm_agent.pipeline.pipeline import Pipeline
from edgeglm_agent.spool.entry import ClockSet
from edgeglm_agent.spool.handoff import Handed
from edgeglm_agent.spool.spool import Spool

LOOK_SECONDS: Final = 1.0
WITNESS_SECONDS: Final = 60
"""Readings of the last minute bear witness."""
PATIENCE_SECONDS: Final = 30
"""When nobody has borne witness for so long, the machine's word is all that there is."""

log = logging.getLogger(__name__)


class Verdict(Enum):
    """What the readings say of a jump."""

    KEEP = auto()
    FOLLOW = auto()
    SILENT = auto()


def verdict(leads_ns: Sequence[int], jump_ns: int) -> Verdict:
    """Judge by how far each series' own time is ahead of the time that is kept: most are near to the right one."""
    follow = sum(abs(lead_ns - jump_ns) < abs(lead_ns) for lead_ns in leads_ns)
    keep = len(leads_ns) - follow
    if keep == follow:
        return Verdict.SILENT
    return Verdict.KEEP if keep > follow else Verdict.FOLLOW


class Timekeeper:
    """Watches one clock for one site."""

    def __init__(self, clock: SteadyClock, spool: Spool, pipeline: Pipeline, listening: Callable[[], bool]) -> None:
        self._clock = clock
        self._spool = spool
        self._pipeline = pipeline
        self._listening = listening
        self._since_ns = 0
        """When the present jump was noticed."""
        self._jump_ns = 0
        self._kept = False
        self._owing = False
        """Whether the log has still to be told that the clock was set back."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Notice a jump, and follow it if that is right."""
        now_ns, jump_ns = self._clock(), self._clock.jump_ns
        if abs(jump_ns - self._jump_ns) >= NANOS_PER_SECOND:
            self._noticed(now_ns, jump_ns)
        if jump_ns and await self._is_right(now_ns, jump_ns):
            self._follow(jump_ns)
        if self._owing:
            self._owing = not self._told(self._clock())

    def _noticed(self, now_ns: int, jump_ns: int) -> None:
        self._since_ns, self._jump_ns, self._kept = now_ns, jump_ns, False
        if jump_ns:
            log.warning(
                "the machine's clock has jumped by %+d s; the readings will say", round(jump_ns / NANOS_PER_SECOND)
            )
        else:
            log.warning("the machine's clock is back")

    async def _is_right(self, now_ns: int, jump_ns: int) -> bool:
        since_ns = max(self._since_ns, now_ns - WITNESS_SECONDS * NANOS_PER_SECOND)
        said = verdict(await self._spool.desk.run(self._pipeline.leads_ns, since_ns), jump_ns)
        if said is Verdict.KEEP and not self._kept:
            self._kept = True
            log.warning("the readings do not bear it out: time goes on as before")
        waited = now_ns - self._since_ns >= PATIENCE_SECONDS * NANOS_PER_SECOND
        return said is Verdict.FOLLOW or (said is Verdict.SILENT and waited and not self._kept and self._listening())

    def _follow(self, jump_ns: int) -> None:
        """Set the time, and put that into the log between the entries of before and after.

        Few can get on the wrong side of it. Those must not seem to come from the future, where everybody else would be
        silent: so it is told before the clock is set forward, and after it is set back.
        """
        if jump_ns > 0 and not self._told(self._clock() + jump_ns):
            return  # the hand-off is full; again at the next look
        self._clock.follow()
        self._jump_ns, self._owing = 0, jump_ns < 0
        log.warning("the clock is set by %+d s", round(jump_ns / NANOS_PER_SECOND))

    def _told(self, now_ns: int) -> bool:
        return self._spool.handoff.put(Handed((ClockSet(now_ns),)), wait_seconds=0)
