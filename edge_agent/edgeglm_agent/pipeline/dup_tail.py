"""Recognises redeliveries: packets of an earlier connection whose acknowledgement was lost.

A packet is one when it says so (DUP), and the tail of the log has a packet of an earlier connection with its id,
topic and payload. Equal payloads otherwise are equal readings. The tail is not stored: the log keeps its last entries
longer than the checkpoint needs them, and the tail is fed with them at start.

Redeliveries are rare, and what could be one comes by the ten thousand: the tail is a list, and an index is made of it
when a packet that says DUP asks.
"""

from collections import deque
from itertools import islice
from typing import Final

import msgspec

from edgeglm_agent.spool.entry import Connected, Message

TAIL_ENTRIES: Final = 8192
"""More than any broker has in flight to us, and less than the 65,535 packet ids, so that no id is in it twice."""


class _Seen(msgspec.Struct, frozen=True, gc=False):
    broker: str
    packet_id: int
    number: int
    connection: int
    mark: int


class DupTail:
    """The messages among the last entries of the log. One owner, the fold."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque(maxlen=TAIL_ENTRIES)
        self._index: dict[tuple[str, int], _Seen] = {}
        """Broker and packet id to the last packet that had it, without the new ones."""
        self._new = 0
        """How many at the end are not in the index."""

    def connected(self, entry: Connected) -> None:
        """Forget a broker whose session was lost: it starts its packet ids anew."""
        if not entry.resumed:
            kept = [seen for seen in self._seen if seen.broker != entry.broker]
            self._seen = deque(kept, maxlen=TAIL_ENTRIES)
            self._index, self._new = {}, len(kept)

    def note(self, number: int, message: Message) -> None:
        """Put a message into the tail."""
        if message.packet_id:
            # 64 bits of what it says, keyed anew with each process: the tail is never stored.
            mark = hash((message.topic, message.payload))
            self._seen.append(_Seen(message.broker, message.packet_id, number, message.connection, mark))
            self._new += 1

    def is_redelivery(self, number: int, message: Message) -> bool:
        """Tell whether a message is in the tail already, and put it there."""
        known = self._last(number, message) if message.dup and message.packet_id else None
        self.note(number, message)
        if known is None:
            return False
        now = self._seen[-1]
        return known.connection != now.connection and known.mark == now.mark

    def _last(self, number: int, message: Message) -> _Seen | None:
        """Return the last packet with the id of a message, if it is not too long ago."""
        fresh = islice(reversed(self._seen), min(self._new, len(self._seen)))
        self._index |= {(seen.broker, seen.packet_id): seen for seen in reversed([*fresh])}
        self._new = 0
        if len(self._index) > 2 * TAIL_ENTRIES:
            self._index = {key: seen for key, seen in self._index.items() if seen.number >= number - TAIL_ENTRIES}
        known = self._index.get((message.broker, message.packet_id))
        return known if known is not None and known.number >= number - TAIL_ENTRIES else None
