"""When it may go: within a window of the day or the week."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from edgeglm_api.time_window import TimeWindow, opens_at

LONGEST_NAP_SECONDS: Final = 60.0
"""Clocks at a site are set now and then, and it is their time that counts."""

log = logging.getLogger(__name__)


class Hours:
    """Within the window; None is at any time. `sleep` takes seconds."""

    def __init__(
        self, window: TimeWindow | None, *, now: Callable[[], datetime], sleep: Callable[[float], None]
    ) -> None:
        self._window = window
        self._now = now
        self._sleep = sleep

    @property
    def are_over(self) -> bool:
        """Whether it may not go now."""
        return self._left() is not None

    def wait(self) -> None:
        """Until it may go."""
        told = False
        while (left := self._left()) is not None:
            if not told:
                log.info("outside its window, which opens in %.0f s", left)
                told = True
            self._sleep(min(left, LONGEST_NAP_SECONDS))

    def _left(self) -> float | None:
        if self._window is None:
            return None
        now = self._now()
        opens = opens_at(self._window, now)
        return None if opens is None else (opens - now).total_seconds()


ALWAYS: Final = Hours(None, now=lambda: datetime.now(UTC), sleep=time.sleep)
