"""Recognises redeliveries: packets of an earlier connection whose acknowledgement was lost.

A packet is one when it says so (DUP), and the tail of the log has a packet of an earlier connection with its id,
topic and payload. Equal payloads otherwise are equal readings. The tail is not stored: the log keeps its last entries
longer than the checkpoint needs them, and the tail is fed with them at start.
"""

from collections import deque
from typing import Final

import msgspec

from edgeglm_agent.spool.entry import Connected, Message

TAIL_ENTRIES: Final = 8192
"""More than any broker has in flight to us, and less than the 65,535 packet ids, so that no id is in it twice."""

_Key = tuple[str, int]


class _Seen(msgspec.Struct, frozen=True):
    number: int
    connection: int
    mark: int


class DupTail:
    """The messages among the last entries of the log. One owner, the fold."""

    def __init__(self) -> None:
        self._order: deque[tuple[int, _Key]] = deque()
        self._seen: dict[_Key, _Seen] = {}

    def connected(self, entry: Connected) -> None:
        """Forget a broker whose session was lost: it starts its packet ids anew."""
        if not entry.resumed:
            self._seen = {key: seen for key, seen in self._seen.items() if key[0] != entry.broker}

    def is_redelivery(self, number: int, message: Message) -> bool:
        """Tell whether a message is in the tail already, and put it there."""
        if message.packet_id == 0:
            return False
        self._expire(number - TAIL_ENTRIES)
        key = (message.broker, message.packet_id)
        known = self._seen.get(key)
        now = _Seen(number, message.connection, _mark(message))
        self._seen[key] = now
        self._order.append((number, key))
        return message.dup and known is not None and known.connection != now.connection and known.mark == now.mark

    def _expire(self, before: int) -> None:
        while self._order and self._order[0][0] < before:
            number, key = self._order.popleft()
            if key in self._seen and self._seen[key].number == number:
                del self._seen[key]


def _mark(message: Message) -> int:
    """Return 64 bits of what it says, keyed anew with each process: the tail is never stored."""
    return hash((message.topic, message.payload))
