"""How sure it is that what is applied is what should be: since when nobody has confirmed it."""

from typing import Literal

import msgspec

from edgeglm_agent.clock import Clock
from edgeglm_agent.moment import NANOS_PER_SECOND, rfc3339


class SourceState(msgspec.Struct, frozen=True, rename="camel"):
    """What is known of the way that bundles come."""

    address: str = ""
    state: Literal["Fresh", "Stale"] = "Stale"
    """Fresh: at the last look, what is applied is what lay there."""
    confirmed_at: str = ""
    """When that was so last, also before the last restart; empty when it never was."""
    stale_seconds: float = 0.0
    """Since then; by the site's clock."""
    failure: str = ""
    """Why nothing could be read at the last look."""
    failures: int = 0


class Freshness:
    """Owner of that knowledge."""

    def __init__(self, address: str, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._fresh = False
        self._confirmed_ns = 0
        self._failure = ""
        self._failures = 0

    def began(self, confirmed_ns: int) -> None:
        """Something is applied that was confirmed before this process began."""
        self._confirmed_ns = confirmed_ns

    def confirmed(self) -> None:
        """What is applied is what lies there now."""
        self._fresh, self._failure = True, ""
        self._confirmed_ns = self._clock()

    def doubted(self) -> None:
        """Something else lies there, and cannot be taken."""
        self._fresh, self._failure = False, ""

    def failed(self, failure: str) -> bool:
        """Nothing could be read; tells whether that is news."""
        news = failure != self._failure
        self._fresh, self._failure = False, failure
        self._failures += 1
        return news

    def state(self) -> SourceState:
        """Return what is known now."""
        age_ns = max(0, self._clock() - self._confirmed_ns) if self._confirmed_ns else 0
        return SourceState(
            address=self._address,
            state="Fresh" if self._fresh else "Stale",
            confirmed_at=rfc3339(self._confirmed_ns) if self._confirmed_ns else "",
            stale_seconds=0.0 if self._fresh else age_ns / NANOS_PER_SECOND,
            failure=self._failure,
            failures=self._failures,
        )
