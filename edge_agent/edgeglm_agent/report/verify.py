"""Asks the engines on this node many things at once, after each of their starts, and counts the answers with text.

Some GLM serving stacks answer the first of several parallel requests and hand back nothing for the others. The cloud
cannot ask here, so the agent does, and the report tells.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, Literal, NamedTuple

import msgspec

from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.errors import Busy, EngineError, TimedOut, Unreachable
from edgeglm_api.bundle import Endpoint
from edgeglm_api.report import MAX_NOTE, Engine, Verification
from edgeglm_api.verification import TIMEOUT_SECONDS, inquiry

MAX_AT_ONCE: Final = 256
"""A bundle that no operator made may ask for more."""

AGAIN_SECONDS: Final = 300.0
"""An engine that had no time has none for many more of these."""

log = logging.getLogger(__name__)


class _Outcome(NamedTuple):
    """One request's end."""

    ending: Literal["answered", "empty", "failed", "late"]
    milliseconds: int = 0
    said: str = ""


class _Known(msgspec.Struct):
    """An engine since its last start."""

    endpoint: Endpoint
    written: int
    """Tokens; a process that has written fewer than before is another one."""
    asked_at: float
    asking: asyncio.Task[None]
    found: Verification | None = None
    """What became of the requests; None while that is not known."""


class Verifier:
    """Made on the event loop; looks at each round of the report."""

    def __init__(
        self,
        on_news: Callable[[], None],
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self._on_news = on_news
        self._timeout_seconds = timeout_seconds
        self._again_seconds = again_seconds
        self._client = Client()
        self._known: dict[str, _Known] = {}

    def look(self, endpoints: Sequence[Endpoint], engines: Sequence[Engine]) -> tuple[Engine, ...]:
        """Return the engines with what is known of them; who began anew is asked meanwhile."""
        asked = {each.name: each for each in endpoints if each.verify_at_once}
        here = {each.name: each for each in engines if each.serving and each.model_present and each.name in asked}
        for name in self._known.keys() - here.keys():
            self._known.pop(name).asking.cancel()
        for name, engine in here.items():
            self._note(asked[name], engine)
        found = {name: known.found for name, known in self._known.items()}
        return tuple(msgspec.structs.replace(each, verification=found.get(each.name)) for each in engines)

    async def close(self) -> None:
        """Ask no more."""
        for known in self._known.values():
            known.asking.cancel()
        await self._client.close()

    def _note(self, endpoint: Endpoint, engine: Engine) -> None:
        known = self._known.get(endpoint.name)
        if known is not None and known.endpoint == endpoint and engine.generation_tokens >= known.written:
            known.written = engine.generation_tokens
            if known.found or not known.asking.done() or _now() < known.asked_at + self._again_seconds:
                return
        elif known is not None:
            known.asking.cancel()
        asking = asyncio.create_task(self._ask(endpoint))
        self._known[endpoint.name] = _Known(endpoint, engine.generation_tokens, _now(), asking)

    async def _ask(self, endpoint: Endpoint) -> None:
        found = await ask_at_once(self._client, endpoint, self._timeout_seconds)
        if found is not None:
            self._known[endpoint.name].found = found
            self._on_news()


async def ask_at_once(client: Client, endpoint: Endpoint, timeout_seconds: float) -> Verification | None:
    """Ask as often as the endpoint says, all at once; None when that proves nothing: nobody was there, or had time."""
    many = min(endpoint.verify_at_once, MAX_AT_ONCE)
    outcomes = await asyncio.gather(*(_ask(client, endpoint, number, timeout_seconds) for number in range(many)))
    known = [outcome for outcome in outcomes if outcome is not None]
    if len(known) < many:
        log.info("%s turned some of %d parallel requests away; it is asked again", endpoint.name, many)
        return None
    counts: Counter[str] = Counter(outcome.ending for outcome in known)
    took = [outcome.milliseconds for outcome in known if outcome.ending == "answered"]
    log.info("%s: of %d parallel requests %s", endpoint.name, many, dict(counts))
    return Verification(
        concurrency=many,
        median_milliseconds=round(median(took)) if took else 0,
        slowest_milliseconds=max(took, default=0),
        said=next((outcome.said for outcome in known if outcome.said), "")[:MAX_NOTE],
        **counts,
    )


async def _ask(client: Client, endpoint: Endpoint, number: int, timeout_seconds: float) -> _Outcome | None:
    begun = _now()
    try:
        reply = await client.complete(endpoint, inquiry(number), timeout_seconds)
    except TimedOut:
        return _Outcome("late")
    except (Unreachable, Busy):
        return None
    except EngineError as error:
        return _Outcome("failed", said=str(error))
    return _Outcome("answered" if reply.text.strip() else "empty", round((_now() - begun) * 1000))


def _now() -> float:
    return asyncio.get_running_loop().time()
