"""Asks all cases, some at a time, the way the agent does: with its prompt, schema, forms, repair and check."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol, cast

from bench.evaluation.cases import Case
from edgeglm_agent.reason.asker import ask
from edgeglm_agent.reason.client import Client, Reply
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.router import NobodyAnswers, Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_api.answer import Answer
from edgeglm_api.bundle import Endpoint

PATIENCE: Final = 5
"""How often a case is asked again when nobody answers."""
PAUSE_SECONDS: Final = 2.0


class Answering(Protocol):
    """An engine's client, or a player in its place."""

    async def complete(self, endpoint: Endpoint, body: dict[str, Any], timeout_seconds: float) -> Reply:
        """Ask once."""
        ...


async def ask_all(
    cases: Sequence[Case], who: Answering, endpoint: Endpoint, *, at_once: int = 4
) -> list[Answer | None]:
    """Return the answer to each case; None where nobody answered."""
    router = Router(cast("Client", who), Gate(b""), FreeSends())
    router.set_endpoints([endpoint], ceiling=at_once)
    room = asyncio.Semaphore(at_once)
    return await asyncio.gather(*(_ask(case, router, room) for case in cases))


async def _ask(case: Case, router: Router, room: asyncio.Semaphore) -> Answer | None:
    async with room:
        for _ in range(PATIENCE):
            try:
                return await ask(case.request, [(case.request.start_ns, case.request.end_ns)], router)
            except NobodyAnswers:
                await asyncio.sleep(PAUSE_SECONDS)
    return None
