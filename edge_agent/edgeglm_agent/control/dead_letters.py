"""Dead letters over the control socket: look at them, and drive them through the fold again.

They go again the way that all messages go: into the raw log, committed, and from there into the fold, which takes the
letter out of the table in the same transaction that books the message. So a crash at any moment costs nothing, and a
letter that is asked for twice goes once.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from aiohttp import web

from edgeglm_agent.clock import Clock
from edgeglm_agent.control.socket import question_of, reply
from edgeglm_agent.spool.dead_letters import Choice, DeadLetter, find
from edgeglm_agent.spool.entry import Redriven
from edgeglm_agent.spool.handoff import Handed
from edgeglm_agent.spool.spool import Spool

MAX_AT_ONCE: Final = 1000
PATIENCE_SECONDS: Final = 10.0


class DeadQuestion(msgspec.Struct, frozen=True):
    """Which letters are asked for; the graph by its name or uid."""

    seqs: tuple[int, ...] = ()
    graph: str = ""
    reason: str = ""
    limit: int = MAX_AT_ONCE


class DeadOutcome(msgspec.Struct, frozen=True):
    """What came of driving letters again."""

    redriven: int
    cut: tuple[int, ...]
    """Letters of which only the beginning is kept; they cannot go again."""
    all_went: bool
    """False when the spool did not take more in time."""


class DeadDesk:
    """Answers for one site."""

    def __init__(self, spool: Spool, clock: Clock, uids: Callable[[], Mapping[str, str]]) -> None:
        self._spool = spool
        self._clock = clock
        self._uids = uids
        """Of the graphs, by name."""

    async def find(self, question: DeadQuestion) -> list[DeadLetter]:
        """Return the letters that are asked for, oldest first."""
        choice = Choice(question.seqs, self._uids().get(question.graph, question.graph), question.reason)
        limit = min(question.limit, MAX_AT_ONCE)
        return await self._spool.desk.run(lambda: find(self._spool.ledger.db, choice, limit=limit))

    async def show(self, question: DeadQuestion) -> list[DeadLetter]:
        """Return the letters that are asked for, with the names of their graphs instead of the uids."""
        names = {uid: name for name, uid in self._uids().items()}
        return [
            msgspec.structs.replace(each, graph=names.get(each.graph, each.graph)) for each in await self.find(question)
        ]

    async def redrive(self, question: DeadQuestion) -> DeadOutcome:
        """Hand letters over to the raw log, and return once they are committed there."""
        letters = await self.find(question)
        cut = tuple(each.seq for each in letters if not each.whole)
        committed = threading.Semaphore(0)
        handed = await asyncio.to_thread(self._hand_over, [each for each in letters if each.whole], committed)
        redriven = await asyncio.to_thread(_count, committed, handed)
        return DeadOutcome(redriven, cut, all_went=redriven == len(letters) - len(cut))

    def _hand_over(self, letters: list[DeadLetter], committed: threading.Semaphore) -> int:
        """Hand over what there is room for, and return how many that are."""
        for number, each in enumerate(letters):
            entry = Redriven(self._clock(), each.seq, each.graph, each.source, each.message)
            if not self._spool.handoff.put(Handed((entry,), committed.release), wait_seconds=PATIENCE_SECONDS):
                return number
        return len(letters)


def _count(committed: threading.Semaphore, most: int) -> int:
    """Wait for so many commits; return how many there were within our patience."""
    until = time.monotonic() + PATIENCE_SECONDS
    for number in range(most):
        if not committed.acquire(timeout=max(until - time.monotonic(), 0)):
            return number
    return most


def dead_letter_routes(desk: Callable[[], DeadDesk | None]) -> list[web.RouteDef]:
    """Return the routes; `desk` gives None while there is no site."""

    async def letters(request: web.Request) -> web.Response:
        question = await question_of(request, DeadQuestion)
        at = desk()
        return reply(await at.show(question) if at else None)

    async def redrive(request: web.Request) -> web.Response:
        question = await question_of(request, DeadQuestion)
        at = desk()
        return reply(await at.redrive(question) if at else None)

    return [web.post("/dead-letters", letters), web.post("/dead-letters/redrive", redrive)]
