"""Who answers in a rehearsal, and how long that takes: an engine that is asked, or nobody.

Both are asked what production would ask. With nobody, each answer is an abstention that takes as long as is assumed.
"""

import time
from typing import Final, Protocol

import msgspec

from edgeglm_agent.graph.encode import Detail
from edgeglm_agent.reason.by_route import ask_by_route
from edgeglm_agent.reason.docket import Claim
from edgeglm_agent.reason.outcome import answer_to
from edgeglm_agent.reason.prompt import question
from edgeglm_agent.reason.router import Router
from edgeglm_api.answer import Answer, ModelUse

BYTES_A_TOKEN: Final = 4
"""About what tokenizers make of such prompts; an estimate, and told as one."""


class Said(msgspec.Struct, frozen=True):
    """An answer, and how long it took."""

    answer: Answer
    seconds: float


class Oracle(Protocol):
    """Answers claims."""

    async def answer(self, claim: Claim) -> Said:
        """Answer; raises NobodyAnswers when nobody could be asked."""
        ...


class Engine:
    """A real engine behind a router."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def answer(self, claim: Claim) -> Said:
        """Ask as the agent does."""
        began = time.monotonic()
        answer = await ask_by_route(claim.request, claim.spans, self._router, urgency=claim.urgency)
        return Said(answer, time.monotonic() - began)


class Nobody:
    """Counts what would have been asked."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def answer(self, claim: Claim) -> Said:
        """Abstain."""
        prompt = sum(len(message["content"].encode()) for message in question(claim.request, Detail.FULL))
        use = ModelUse(model="nobody", route="Edge", endpoint="nobody", prompt_tokens=prompt // BYTES_A_TOKEN)
        return Said(answer_to(claim.request, "Abstained", claim.spans, model=use), self._seconds)
