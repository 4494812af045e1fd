"""Keeps the engine busy with what waits, as far as the site allows, and stores each answer before all else."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Final

from edgeglm_agent.reason.by_route import ask_by_route
from edgeglm_agent.reason.docket import Claim, Docket
from edgeglm_agent.reason.intake import Intake
from edgeglm_agent.reason.places import Routes
from edgeglm_agent.reason.router import NobodyAnswers, Router
from edgeglm_agent.spool.desk import Desk

POLL_SECONDS: Final = 1.0
"""How often expiry is looked at when nothing else happens."""
REST_SECONDS: Final = 1.0
"""How long a request rests that nobody answered, and everything after something failed that should not."""

log = logging.getLogger(__name__)


class Reasoner:
    """Owner of the tasks that ask."""

    def __init__(self, docket: Docket, desk: Desk, router: Router, on_answer: Callable[[], None]) -> None:
        self._docket = docket
        self._desk = desk
        self._router = router
        self._intake = Intake(docket, desk)
        self._on_answer = on_answer
        self._wake = asyncio.Event()
        self._rest_until = 0.0
        self.limit = 1
        self.routes: Routes = {}
        self.asking = 0
        self.faults = 0

    def wake(self) -> None:
        """Something waits."""
        self._wake.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                # Cleared before what waits is read: who comes meanwhile must not wait for the next poll.
                self._wake.clear()
                await self._claim_into(tasks)
                try:
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _claim_into(self, tasks: asyncio.TaskGroup) -> None:
        resting = asyncio.get_running_loop().time() < self._rest_until
        room = 0 if resting else self.limit - self.asking
        try:
            claims, expired = await self._desk.run(self._docket.claim, max(room, 0), self.routes, self._router.free())
        except sqlite3.Error as error:
            self._fault("cannot read what waits", error)
            return
        if expired:
            self._on_answer()
        for claim in claims:
            self.asking += 1
            tasks.create_task(self._answer(claim), name=f"ask:{claim.request.graph}/{claim.request.partition}")
        # Let them begin: their places are taken only then.
        await asyncio.sleep(0)

    async def _answer(self, claim: Claim) -> None:
        if not await self._is_answered(claim):
            await asyncio.sleep(REST_SECONDS)
            await self._desk.run(self._docket.release, claim)
            self._wake.set()

    async def _is_answered(self, claim: Claim) -> bool:
        try:
            answer = await ask_by_route(claim.request, claim.spans, self._router, urgency=claim.urgency)
            await self._intake.store(claim, answer)
            self._on_answer()
        except NobodyAnswers:
            return False
        except Exception as error:  # noqa: BLE001 - counted and logged; the request waits, the others go on
            self._fault(f"request {claim.request.id} failed", error)
            return False
        else:
            return True
        finally:
            self.asking -= 1
            self._wake.set()

    def _fault(self, what: str, error: Exception) -> None:
        self.faults += 1
        self._rest_until = asyncio.get_running_loop().time() + REST_SECONDS
        log.error("%s: %s", what, error, exc_info=error)
