"""The bodies that the agent would send, for others to send as they are."""

from collections.abc import Iterable
from typing import Any

from edgeglm_agent.reason.asker import ask
from edgeglm_agent.reason.client import Client, Reply
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.urgency import URGENCY
from edgeglm_api.bundle import Endpoint
from tests.edge.asking_path import a_router, an_engine

Body = dict[str, Any]


class RecordingClient(Client):
    """Asks, and remembers every body that it sent, in that order."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[Body] = []

    async def complete(self, endpoint: Endpoint, body: Body, timeout_seconds: float) -> Reply:
        """Ask as the agent does."""
        self.bodies.append(body | {"model": endpoint.model})
        return await super().complete(endpoint, body, timeout_seconds)


def by_question(bodies: Iterable[Body]) -> list[list[Body]]:
    """Return the bodies of each question, its repair behind its first attempt; who was asked first comes first."""
    chains: dict[str, list[Body]] = {}
    for body in bodies:
        chains.setdefault(body["messages"][1]["content"], []).append(body)
    return list(chains.values())


class _Nobody(Client):
    """Asks nobody, and is not sure of anything."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Body = {}

    async def complete(self, endpoint: Endpoint, body: Body, timeout_seconds: float) -> Reply:
        del timeout_seconds
        self.asked = body | {"model": endpoint.model}
        return Reply(text='{"assessment":"unsure","findings":[]}', cut_off=False)


class Scribe:
    """Writes the body of a request's first attempt."""

    def __init__(self) -> None:
        self._nobody = _Nobody()
        self._router = a_router(self._nobody, an_engine("http://127.0.0.1:1/v1"), ceiling=1)

    async def body_of(self, request: Request) -> Body:
        """Return it; nothing is waited for on the way."""
        spans = [(request.start_ns, request.end_ns)]
        await ask(request, spans, self._router, urgency=URGENCY[request.reasoning.priority])
        return self._nobody.asked

    async def close(self) -> None:
        """Let go of the client that asks nobody."""
        await self._nobody.close()
