"""How often something is tried again, and how long is waited in between."""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from edgeglm_operator.download.errors import Broken, Unreachable

PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""After these the container ends and tells why; the kubelet starts it again, ever less often."""
LONGEST_WISH_SECONDS: Final = 300.0
"""What a server may ask to wait."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Patience:
    """For tries in a row of which none got further. `sleep` takes seconds."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._failed = 0

    def renew(self) -> None:
        """A try got further."""
        self._failed = 0

    def wait(self, broken: Broken) -> None:
        """Before another try. Raises Unreachable when there were enough."""
        if self._failed == len(PAUSES_SECONDS):
            raise Unreachable(f"{broken}, {self._failed + 1} times in a row") from broken
        wish = min(broken.after_seconds or 0, LONGEST_WISH_SECONDS)
        pause = max(wish, PAUSES_SECONDS[self._failed])
        self._failed += 1
        log.warning("%s; again in %.0f s", broken, pause)
        self._sleep(pause)

    def until_done(self, attempt: Callable[[], T]) -> T:
        """The outcome of the first try that does not break."""
        while True:
            try:
                outcome = attempt()
            except Broken as broken:
                self.wait(broken)
            else:
                self.renew()
                return outcome
