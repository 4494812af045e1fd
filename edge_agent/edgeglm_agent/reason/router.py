"""Which endpoint is asked: those of the request in its order, past the ones that are known to be ill."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from edgeglm_agent.reason.breaker import Breaker
from edgeglm_agent.reason.client import Client, Reply
from edgeglm_agent.reason.disguise import View
from edgeglm_agent.reason.errors import Because, Busy, Declined, EngineError, TimedOut
from edgeglm_agent.reason.form import Body, Form, for_scheduling, in_form
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.width import Width
from edgeglm_api.bundle import Endpoint, Place

Compose = Callable[[View], Body]
"""Puts what an endpoint may see of a request into words."""

log = logging.getLogger(__name__)


class Routed(msgspec.Struct, frozen=True):
    """A reply, who gave it, and to what."""

    endpoint: Endpoint
    reply: Reply
    view: View


class Load(msgspec.Struct, frozen=True, rename="camel"):
    """What an endpoint has to do, and how much it is given."""

    width: int
    """How many requests it may have at once, as far as is known by now."""
    in_flight: int
    busy: int
    """How often it said that it is full."""
    cuts: int
    """How often it was given less."""
    withheld: int = 0
    """How often it was passed over, since nothing of the graph may leave the site."""
    disguised: int = 0
    """How often it was asked under pseudonyms."""


class NobodyAnswers(Exception):  # noqa: N818 - names what is the case
    """No endpoint could be asked now; later one may."""


class Router:
    """Owner of what is known of each endpoint: its breaker, its width, and the form that it takes."""

    def __init__(self, client: Client, gate: Gate) -> None:
        self._client = client
        self._gate = gate
        self._endpoints: dict[str, Endpoint] = {}
        self._breakers: dict[str, Breaker] = {}
        self._widths: dict[str, Width] = {}
        self._forms: dict[str, Form] = {}
        """The best form that each endpoint was seen to take, where it is not the full one."""
        self._withheld: Counter[str] = Counter()
        self._disguised: Counter[str] = Counter()
        self.last_errors: dict[str, str] = {}

    def set_endpoints(self, endpoints: Iterable[Endpoint], *, ceiling: int) -> None:
        """Take on the endpoints of a bundle; those that did not change keep what is known of their health.

        `ceiling` is the most that one of them may have at once.
        """
        wanted = {endpoint.name: endpoint for endpoint in endpoints}
        self._breakers = {
            name: self._breakers[name] if self._endpoints.get(name) == endpoint else Breaker()
            for name, endpoint in wanted.items()
        }
        self._widths = {
            name: self._widths[name] if self._endpoints.get(name) == endpoint else Width(ceiling)
            for name, endpoint in wanted.items()
        }
        for width in self._widths.values():
            width.allow(ceiling)
        self._forms = {
            name: form for name, form in self._forms.items() if self._endpoints.get(name) == wanted.get(name)
        }
        self.last_errors = {name: error for name, error in self.last_errors.items() if name in wanted}
        self._endpoints = wanted

    async def ask(self, request: Request, compose: Compose, place: Place | None = None) -> Routed:
        """Ask the first of the request's endpoints that answers, or of those at a place, in words for what it may see.

        Raises NobodyAnswers when none does, and Declined when all that answered will not have this request.
        """
        declined: Declined | None = None
        for name in request.reasoning.endpoints:
            endpoint = self._endpoints.get(name)
            if endpoint is None or place not in {None, endpoint.place}:
                continue
            view = self._view(request, endpoint)
            if view is None or not self._admits(name):
                continue
            try:
                return await self._ask(name, view, compose(view))
            except Declined as error:
                declined = error
            except EngineError as error:
                log.debug("not answered: %s", error)
        if declined is not None:
            raise declined
        raise NobodyAnswers

    def states(self) -> dict[str, str]:
        """Return the state of each endpoint, for people."""
        return {name: breaker.state for name, breaker in self._breakers.items()}

    def free(self) -> dict[str, int]:
        """Return for how many more requests each endpoint has room now; one when it is to be tried."""
        now = asyncio.get_running_loop().time()
        return {name: self._free(name, now) for name in self._endpoints}

    def loads(self) -> dict[str, Load]:
        """Return what each endpoint has to do."""
        return {
            name: Load(
                width=width.now,
                in_flight=width.in_flight,
                busy=width.busy,
                cuts=width.cuts,
                withheld=self._withheld[name],
                disguised=self._disguised[name],
            )
            for name, width in self._widths.items()
        }

    def _free(self, name: str, now: float) -> int:
        breaker, room = self._breakers[name], self._widths[name].free(now)
        if breaker.state == "Closed":
            return room
        return min(room, 1) if breaker.may_admit(now) else 0

    def _view(self, request: Request, endpoint: Endpoint) -> View | None:
        """Return what the endpoint may see; None when that is nothing."""
        view = self._gate.view(request, endpoint)
        if view is None:
            self._withheld[endpoint.name] += 1
        return view

    def _admits(self, name: str) -> bool:
        now = asyncio.get_running_loop().time()
        return self._widths[name].free(now) > 0 and self._breakers[name].admits(now)

    async def _ask(self, name: str, view: View, body: Body) -> Routed:
        endpoint, breaker, width = self._endpoints[name], self._breakers[name], self._widths[name]
        self._disguised[name] += bool(view.names)
        time = asyncio.get_running_loop().time
        began = time()
        width.began(began)
        try:
            reply = await self._complete(endpoint, body, view.request.reasoning.attempt_timeout_seconds)
            width.answered(began=began, now=time())
        except BaseException as error:
            # Cancelled, too: a probe that was given up must not leave the breaker waiting for its end.
            self.last_errors[name] = str(error) or type(error).__name__
            _learn(error, breaker, width, began=began, now=time())
            raise
        finally:
            width.ended()
        breaker.succeeded()
        self.last_errors.pop(name, None)
        return Routed(endpoint, reply, view)

    async def _complete(self, endpoint: Endpoint, body: Body, timeout_seconds: float) -> Reply:
        """Ask in the best form that the endpoint is known to take, and in plainer ones while it declines the form."""
        heeded = for_scheduling(body, endpoint.scheduling)
        for form in Form:
            if form < self._forms.get(endpoint.name, Form.FULL):
                continue
            try:
                reply = await self._client.complete(endpoint, in_form(heeded, form), timeout_seconds)
            except Declined as error:
                if error.because is not Because.FORM or form is Form.TEXT:
                    raise
                log.info("%s does not take the form %s: %s", endpoint.name, form.name, error)
                continue
            if form is not Form.FULL:
                self._forms[endpoint.name] = form
            return reply
        raise AssertionError("the plainest form is either taken or declined")


def _learn(error: BaseException, breaker: Breaker, width: Width, *, began: float, now: float) -> None:
    """Who declines or is busy is well; who is busy or late has too much to do."""
    if isinstance(error, Declined | Busy):
        breaker.succeeded()
    else:
        breaker.failed(now)
    if isinstance(error, Busy):
        chance = random.random()  # noqa: S311 - spreads load, keeps no secret
        width.refused(began=began, now=now, retry_after=error.retry_after, chance=chance)
    if isinstance(error, TimedOut):
        width.timed_out(began=began, now=now)
