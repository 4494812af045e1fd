"""One request from question to checked answer: ask, read, check, repair once."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from edgeglm_agent.graph.encode import Detail
from edgeglm_agent.reason.check import Checked, check
from edgeglm_agent.reason.disguise import View
from edgeglm_agent.reason.errors import Because, Declined
from edgeglm_agent.reason.form import Body
from edgeglm_agent.reason.outcome import Span, answer_to
from edgeglm_agent.reason.prompt import Messages, question, repair
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.router import Routed, Router
from edgeglm_agent.reason.said import MAX_ID_CHARS, MAX_PROBLEM_CHARS, Unreadable, read_said
from edgeglm_agent.reason.schema import Schema, answer_schema
from edgeglm_agent.reason.tasks import TASKS
from edgeglm_agent.reason.urgency import Urgency, vllm_priority
from edgeglm_agent.untrusted import cleaned, defused
from edgeglm_api.answer import Answer, ModelUse, Validation
from edgeglm_api.bundle import Place

_CUT_OFF = "was cut off at max_tokens; be shorter"


class _Attempt(msgspec.Struct, frozen=True):
    routed: Routed
    readable: bool
    checked: Checked
    told: tuple[str, ...]
    """What is wrong with it, in the names of who was asked."""

    @property
    def usable(self) -> bool:
        return self.readable and self.checked.usable


async def ask(
    request: Request,
    spans: list[Span],
    router: Router,
    *,
    urgency: Urgency = Urgency.NORMAL,
    place: Place | None = None,
) -> Answer:
    """Return the answer of one of its engines, or of those at a place; raises NobodyAnswers when it has to wait."""
    began = time.monotonic()
    inquiry = _Inquiry(request, router, urgency, place)
    for detail in Detail:
        try:
            attempts = await _attempts(inquiry, detail)
        except Declined as error:
            if error.because is Because.TOO_LONG and detail is not Detail.ANOMALOUS:
                continue
            return answer_to(
                request, "Invalid", spans, validation=Validation(schema_ok=False, refused=_told([str(error)]))
            )
        return _answer(request, spans, attempts, _Asked(detail, time.monotonic() - began))
    raise AssertionError("the last detail either answers or is declined")


@dataclass(frozen=True, slots=True)
class _Inquiry:
    request: Request
    router: Router
    urgency: Urgency
    place: Place | None


class _Asked(msgspec.Struct, frozen=True):
    detail: Detail
    seconds: float


async def _attempts(inquiry: _Inquiry, detail: Detail) -> list[_Attempt]:
    first = await _attempt(inquiry, detail)
    return [first] if first.usable else [first, await _attempt(inquiry, detail, before=first)]


async def _attempt(inquiry: _Inquiry, detail: Detail, *, before: _Attempt | None = None) -> _Attempt:
    def compose(view: View) -> Body:
        body = _body(view.request, _messages(view, detail, before))
        return body | {"priority": vllm_priority(inquiry.urgency)}

    return _judged(inquiry.request, await inquiry.router.ask(inquiry.request, compose, inquiry.place))


def _messages(view: View, detail: Detail, before: _Attempt | None) -> Messages:
    """Put the question, and what was wrong with the first answer: to who sees other names, the question only."""
    messages = question(view.request, detail)
    if before is None or before.routed.view != view:
        return messages
    return repair(messages, before.routed.reply.text, before.told)


def _judged(request: Request, routed: Routed) -> _Attempt:
    task, view = TASKS[request.question.task], routed.view
    try:
        said = read_said(routed.reply.text, task.said)
        real = view.resolved(said, task.said) if view.names else said
    except Unreadable as error:
        problem = _CUT_OFF if routed.reply.cut_off else f"is not of the schema: {error}"
        return _Attempt(routed, readable=False, checked=Checked(refused=(problem,)), told=(problem,))
    seen = check(task, said, view.request.subject, view.request.question)
    checked = check(task, real, request.subject, request.question) if view.names else seen
    return _Attempt(routed, readable=True, checked=checked, told=seen.refused)


def _told(problems: Iterable[str]) -> tuple[str, ...]:
    """Return what is published of them: they quote the model, and what engines say of themselves."""
    return tuple(cleaned(defused(each), most=MAX_PROBLEM_CHARS) for each in problems)


def _body(request: Request, messages: Messages) -> Body:
    return {
        "messages": messages,
        "max_tokens": request.reasoning.max_tokens,
        "temperature": 0,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": _schema(request), "strict": True},
        },
        # Else a thinking model behind a reasoning parser can leave the content empty.
        "chat_template_kwargs": {"enable_thinking": False},
    }


def _schema(request: Request) -> Schema:
    task = TASKS[request.question.task]
    return answer_schema(task.found, task.claim_schema(request.subject, request.question))


def _answer(request: Request, spans: list[Span], attempts: list[_Attempt], asked: _Asked) -> Answer:
    last = attempts[-1]
    replies = [attempt.routed.reply for attempt in attempts]
    endpoint = last.routed.endpoint
    return answer_to(
        request,
        last.checked.verdict if last.usable else "Invalid",
        spans,
        checked=last.checked,
        truncated=asked.detail is not Detail.FULL,
        model=ModelUse(
            model=endpoint.model,
            route=endpoint.place,
            endpoint=endpoint.name,
            prompt_tokens=sum(reply.prompt_tokens for reply in replies),
            completion_tokens=sum(reply.completion_tokens for reply in replies),
            latency_ms=round(asked.seconds * 1000),
            attempts=len(attempts),
        ),
        validation=Validation(
            schema_ok=last.readable,
            unknown_ids=tuple(cleaned(each, most=MAX_ID_CHARS) for each in last.checked.unknown_ids),
            refused=_told(last.checked.refused),
            repaired=len(attempts) > 1 and last.usable,
        ),
    )
