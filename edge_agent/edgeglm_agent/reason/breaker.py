"""A circuit breaker: an endpoint that fails again and again is left alone for a while, then tried with one request."""

from typing import Final

OPEN_AFTER_FAILURES: Final = 3
FIRST_PAUSE_SECONDS: Final = 2.0
MOST_PAUSE_SECONDS: Final = 60.0


class Breaker:
    """State of one endpoint. Times are of the loop's clock and come in from outside."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._closed_at = 0.0
        self._probing = False

    def may_admit(self, now: float) -> bool:
        """Tell whether `admits` would, and change nothing."""
        return self._failures < OPEN_AFTER_FAILURES or (now >= self._closed_at and not self._probing)

    def admits(self, now: float) -> bool:
        """Tell whether a request may go there; when it was open, the first one that may is a probe."""
        if self._failures < OPEN_AFTER_FAILURES:
            return True
        if not self.may_admit(now):
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """All is well again."""
        self._failures = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._probing = False

    def failed(self, now: float) -> None:
        """One more failure in a row."""
        self._failures += 1
        if self._failures > OPEN_AFTER_FAILURES:
            self._pause = min(self._pause * 2, MOST_PAUSE_SECONDS)
        self._closed_at = now + self._pause
        self._probing = False

    @property
    def state(self) -> str:
        """Closed, Open or Probing, for people."""
        if self._failures < OPEN_AFTER_FAILURES:
            return "Closed"
        return "Probing" if self._probing else "Open"
