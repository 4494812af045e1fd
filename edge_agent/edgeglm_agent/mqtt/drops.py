"""What a broker says it has dropped, for us or for anybody: its queues are bounded, and it tells nobody else.

Brokers may keep the figure to themselves; then it is not known, and nothing else is different.
"""

import logging
from typing import Final

DROPPED_TOPIC: Final = "$SYS/broker/publish/messages/dropped"
"""Mosquitto's and NanoMQ's; it is retained, so it comes with each connection, and then whenever it changes."""
_MOST_DIGITS: Final = 18

log = logging.getLogger(__name__)


class Drops:
    """The figure of one broker. Heard on the network thread, read anywhere."""

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self.ask = True
        """False once the broker has hung up on being asked."""
        self.total: int | None = None
        """Since the broker's start; None while it is not known."""

    def heard(self, payload: bytes) -> None:
        """Take what the broker says, if that is a number."""
        if not payload.isdigit() or len(payload) > _MOST_DIGITS:
            return
        total = int(payload)
        if self.total is not None and total > self.total:
            log.error(
                "%s has dropped %d messages, for us or for others; see its max_queued_messages",
                self._broker,
                total - self.total,
            )
        self.total = total
