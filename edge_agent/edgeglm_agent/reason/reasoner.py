"""Keeps the engine busy with what waits, as far as the site allows.

A place at an engine is free for the next as soon as it has answered; nobody is told of the answer before it is stored.
At an engine that answers fast some stand ready, claimed, so that the ledger is not waited for in between.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Final

from edgeglm_agent.reason.by_route import ask_by_route
from edgeglm_agent.reason.docket import Claim, Docket
from edgeglm_agent.reason.intake import Intake
from edgeglm_agent.reason.places import Places, Routes
from edgeglm_agent.reason.router import NobodyAnswers, Router
from edgeglm_agent.spool.desk import Desk
from edgeglm_api.answer import Answer

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
        self._place_free = asyncio.Event()
        self.ready: list[Claim] = []
        """Who is claimed and waits for a place, in the order of turns."""
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
            tasks.create_task(self._claim(), name="claim")
            while True:
                self._place_free.clear()
                self._begin(tasks)
                # Let them begin: their places are taken only then.
                await asyncio.sleep(0)
                await self._place_free.wait()

    async def _claim(self) -> None:
        while True:
            # Cleared before what waits is read: who comes meanwhile must not wait for the next poll.
            self._wake.clear()
            await self._claim_more()
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _claim_more(self) -> None:
        """Claim for the places that are free, and for some that will be very soon."""
        free, soon = self._router.free(), self._router.soon()
        places = Places(self.routes, {name: free[name] + soon[name] for name in free})
        most = 0 if self._rests else self.limit - self.asking + sum(soon.values())
        for claim in self._without_hope(places, most):
            await self._desk.run(self._docket.release, claim)
        try:
            claims, expired = await self._desk.run(self._docket.claim, max(most - len(self.ready), 0), places)
        except sqlite3.Error as error:
            self._fault("cannot read what waits", error)
            return
        if expired:
            self._on_answer()
        self.ready += claims
        if self.ready:
            self._place_free.set()

    def _without_hope(self, places: Places, most: int) -> list[Claim]:
        """Take out who stands ready where no place is free soon: they wait like the others. The rest keep a place."""
        stay = [most > 0 and places.has(claim.key[0]) for claim in self.ready]
        out = [claim for claim, stays in zip(self.ready, stay, strict=True) if not stays]
        self.ready = [claim for claim, stays in zip(self.ready, stay, strict=True) if stays]
        for claim in self.ready:
            places.take(claim.key[0])
        return out

    def _begin(self, tasks: asyncio.TaskGroup) -> None:
        """Ask who stands ready and finds a place."""
        places, before = Places(self.routes, self._router.free()), self.ready
        self.ready = []
        for claim in before:
            if self.asking < self.limit and not self._rests and places.take(claim.key[0]):
                self.asking += 1
                tasks.create_task(self._answer(claim), name=f"ask:{claim.request.graph}/{claim.request.partition}")
            else:
                self.ready.append(claim)
        if not self.ready:
            self._wake.set()

    @property
    def _rests(self) -> bool:
        return asyncio.get_running_loop().time() < self._rest_until

    async def _answer(self, claim: Claim) -> None:
        if not await self._is_answered(claim):
            await asyncio.sleep(REST_SECONDS)
            await self._desk.run(self._docket.release, claim)
            self._wake.set()

    async def _is_answered(self, claim: Claim) -> bool:
        try:
            await self._intake.store(claim, await self._asked(claim))
            self._on_answer()
        except NobodyAnswers:
            return False
        except Exception as error:  # noqa: BLE001 - counted and logged; the request waits, the others go on
            self._fault(f"request {claim.request.id} failed", error)
            return False
        else:
            return True
        finally:
            self._wake.set()

    async def _asked(self, claim: Claim) -> Answer:
        """Ask; the place is free for the next while the answer is still on its way to the disk."""
        try:
            return await ask_by_route(claim.request, claim.spans, self._router, urgency=claim.urgency)
        finally:
            self.asking -= 1
            self._place_free.set()

    def _fault(self, what: str, error: Exception) -> None:
        self.faults += 1
        self._rest_until = asyncio.get_running_loop().time() + REST_SECONDS
        log.error("%s: %s", what, error, exc_info=error)
