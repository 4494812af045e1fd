"""Asks as the route of a graph says: engines in their order, or the cloud only where the site's answer will not do."""

import msgspec

from edgeglm_agent.reason.asker import ask
from edgeglm_agent.reason.doubt import better, doubt
from edgeglm_agent.reason.outcome import Span
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.router import NobodyAnswers, Router
from edgeglm_agent.reason.urgency import Urgency
from edgeglm_api.answer import Answer, Doubt


async def ask_by_route(
    request: Request, spans: list[Span], router: Router, *, urgency: Urgency = Urgency.NORMAL
) -> Answer:
    """Return the answer to a request; raises NobodyAnswers when it has to wait."""
    if request.reasoning.route != "Escalate":
        return await ask(request, spans, router, urgency=urgency)
    try:
        first = await ask(request, spans, router, urgency=urgency, place="Edge")
    except NobodyAnswers:
        return await ask(request, spans, router, urgency=urgency, place="Cloud")
    why = doubt(first, request)
    if why is None:
        return first
    try:
        second = await ask(request, spans, router, urgency=urgency, place="Cloud")
    except NobodyAnswers:
        return first
    return _escalated(better(first, second), first, second, why)


def _escalated(kept: Answer, first: Answer, second: Answer, why: Doubt) -> Answer:
    """Say why the cloud was asked, and what both have cost."""
    uses = [use for use in (first.model, second.model) if use is not None]
    if kept.model is None:
        return kept
    model = msgspec.structs.replace(
        kept.model,
        escalated=why,
        prompt_tokens=sum(use.prompt_tokens for use in uses),
        completion_tokens=sum(use.completion_tokens for use in uses),
        latency_ms=sum(use.latency_ms for use in uses),
        attempts=sum(use.attempts for use in uses),
    )
    return msgspec.structs.replace(kept, model=model)
