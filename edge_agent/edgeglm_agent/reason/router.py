"""Which endpoint is asked: those of the request in its order, past the ones that are known to be ill."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable

import msgspec

from edgeglm_agent.reason.client import Client, Reply
from edgeglm_agent.reason.disguise import View
from edgeglm_agent.reason.errors import Because, Busy, Declined, EngineError, NotReached, TimedOut
from edgeglm_agent.reason.form import Body, Form, for_scheduling, in_form
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.known import Known, Load
from edgeglm_agent.reason.rate import about_tokens
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.sends import Sends
from edgeglm_api.bundle import Endpoint, Place

Compose = Callable[[View], Body]
"""Puts what an endpoint may see of a request into words."""

log = logging.getLogger(__name__)


class Routed(msgspec.Struct, frozen=True):
    """A reply, who gave it, and to what."""

    endpoint: Endpoint
    reply: Reply
    view: View


class NobodyAnswers(Exception):  # noqa: N818 - names what is the case
    """No endpoint could be asked now; later one may."""


class NotNow(EngineError):  # noqa: N818 - names what is the case
    """It was not asked: somebody else has the place."""


class Router:
    """Owner of what is known of each endpoint."""

    def __init__(self, client: Client, gate: Gate, sends: Sends) -> None:
        self._client = client
        self._gate = gate
        self._sends = sends
        self._known: dict[str, Known] = {}

    def set_endpoints(self, endpoints: Iterable[Endpoint], *, ceiling: int) -> None:
        """Take on the endpoints of a bundle; those that did not change keep what is known of them.

        `ceiling` is the most that one of them may have at once.
        """
        before = self._known
        self._known = {
            endpoint.name: before[endpoint.name]
            if endpoint.name in before and before[endpoint.name].endpoint == endpoint
            else Known(endpoint, ceiling)
            for endpoint in endpoints
        }
        for known in self._known.values():
            known.width.allow(ceiling)

    async def ask(self, request: Request, compose: Compose, place: Place | None = None) -> Routed:
        """Ask the first of the request's endpoints that answers, or of those at a place, in words for what it may see.

        Raises NobodyAnswers when none does, and Declined when all that answered will not have this request.
        """
        declined: Declined | None = None
        for name in request.reasoning.endpoints:
            known = self._known.get(name)
            if known is None or place not in {None, known.endpoint.place}:
                continue
            view = self._view(request, known)
            if view is None or not known.free(_now()):
                continue
            try:
                return await self._sent(request, known, view, compose(view))
            except Declined as error:
                declined = error
            except EngineError as error:
                log.debug("not answered: %s", error)
        if declined is not None:
            raise declined
        raise NobodyAnswers

    def states(self) -> dict[str, str]:
        """Return the state of each endpoint, for people."""
        return {name: known.breaker.state for name, known in self._known.items()}

    @property
    def last_errors(self) -> dict[str, str]:
        """What went wrong last, where nothing went well since."""
        return {name: known.last_error for name, known in self._known.items() if known.last_error}

    def free(self) -> dict[str, int]:
        """Return for how many more requests each endpoint has room now; one when it is to be tried."""
        now = _now()
        return {name: known.free(now) for name, known in self._known.items()}

    def soon(self) -> dict[str, int]:
        """Return for how many more each will have room very soon."""
        now = _now()
        return {name: known.soon(now) for name, known in self._known.items()}

    def loads(self) -> dict[str, Load]:
        """Return what each endpoint has to do."""
        return {name: known.load() for name, known in self._known.items()}

    def _view(self, request: Request, known: Known) -> View | None:
        """Return what the endpoint may see; None when that is nothing."""
        view = self._gate.view(request, known.endpoint)
        if view is None:
            known.withheld += 1
        return view

    async def _sent(self, request: Request, known: Known, view: View, body: Body) -> Routed:
        """Ask; of who charges for it, no more often than a request may be sent."""
        if not known.endpoint.metered:
            return await self._ask(known, view, body)
        if not await self._sends.take(request.id):
            known.spent += 1
            raise NotNow(f"{known.endpoint.name}: it charges for requests, and has had this one as often as it may")
        try:
            return await self._ask(known, view, body)
        except (NotNow, NotReached, Busy, Declined):
            await self._sends.give_back(request.id)
            raise

    async def _ask(self, known: Known, view: View, body: Body) -> Routed:
        began, tokens, endpoint = _now(), about_tokens(body), _asked_for(known.endpoint, view.request)
        if not known.admits(tokens, began):
            raise NotNow(f"{known.endpoint.name}: it may not be asked now")
        known.disguised += bool(view.names)
        known.width.began(began)
        try:
            reply = await self._complete(known, endpoint, body, view.request.reasoning.attempt_timeout_seconds)
        except BaseException as error:
            # Cancelled, too: a probe that was given up must not leave the breaker waiting for its end.
            known.last_error = str(error) or type(error).__name__
            _learn(error, known, began=began, tokens=tokens)
            raise
        finally:
            known.width.ended()
        known.width.answered(began=began, now=_now())
        known.rate.correct(tokens, (reply.prompt_tokens + reply.completion_tokens) or tokens, _now())
        known.breaker.succeeded()
        known.last_error = ""
        return Routed(endpoint, reply, view)

    async def _complete(self, known: Known, endpoint: Endpoint, body: Body, timeout_seconds: float) -> Reply:
        """Ask in the best form that the endpoint is known to take, and in plainer ones while it declines the form."""
        heeded = for_scheduling(body, endpoint.scheduling)
        for form in Form:
            if form < known.form:
                continue
            try:
                reply = await self._client.complete(endpoint, in_form(heeded, form), timeout_seconds)
            except Declined as error:
                if error.because is not Because.FORM or form is Form.TEXT:
                    raise
                log.info("%s does not take the form %s: %s", endpoint.name, form.name, error)
                continue
            known.form = form
            return reply
        raise AssertionError("the plainest form is either taken or declined")


def _asked_for(endpoint: Endpoint, request: Request) -> Endpoint:
    """The endpoint, with the model that the request is for: an adapter is served beside the engine's own."""
    adapter = request.reasoning.adapter
    return msgspec.structs.replace(endpoint, model=adapter) if adapter else endpoint


def _now() -> float:
    return asyncio.get_running_loop().time()


def _learn(error: BaseException, known: Known, *, began: float, tokens: int) -> None:
    """Who declines or is busy is well; who is busy or late has too much to do. What was turned away costs no tokens."""
    now = _now()
    if isinstance(error, Declined | Busy):
        known.breaker.succeeded()
    else:
        known.breaker.failed(now)
    if isinstance(error, Declined | Busy | NotReached):
        known.rate.correct(tokens, 0, now)
    if isinstance(error, Busy):
        chance = random.random()  # noqa: S311 - spreads load, keeps no secret
        known.width.refused(began=began, now=now, retry_after=error.retry_after, chance=chance)
    if isinstance(error, TimedOut):
        known.width.timed_out(began=began, now=now)
