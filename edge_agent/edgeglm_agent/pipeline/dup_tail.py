"""Recognises redeliveries: packets of an earlier connection whose acknowledgement was lost.

A packet is one when it says so (DUP), and the last packet with its id was of an earlier connection, not too long ago,
and said the same. Equal payloads otherwise are equal readings: Mosquitto 2.0 says DUP of all that it has queued when a
session goes on. The tail is not stored: the log keeps its last entries longer than the checkpoint needs them, and the
tail is fed with them at start.
"""

from array import array
from typing import Final

from edgeglm_agent.spool.entry import Connected, Message

TAIL_ENTRIES: Final = 60_000
"""A broker takes an id again after 65,535 others, and that is no redelivery. Of what is in flight it may have as many:
Mosquitto 2.0 sends 40,000 in spite of its limit when a session goes on, and forgets the acknowledgements that it has
not read when a client is killed."""
_IDS: Final = 65_536
_EMPTY: Final = bytes(8 * _IDS)


class _Last:
    """By packet id, the last packet of one broker that had it."""

    __slots__ = ("connections", "marks", "numbers")

    def __init__(self) -> None:
        self.numbers, self.connections, self.marks = (array("q", _EMPTY) for _ in range(3))


class DupTail:
    """The messages among the last entries of the log. One owner, the fold."""

    def __init__(self) -> None:
        self._brokers: dict[str, _Last] = {}

    def connected(self, entry: Connected) -> None:
        """Forget a broker whose session was lost: it starts its packet ids anew."""
        if not entry.resumed:
            self._brokers.pop(entry.broker, None)

    def note(self, number: int, message: Message) -> None:
        """Put a message into the tail."""
        if packet_id := message.packet_id:
            last = self._brokers.get(message.broker)
            if last is None:
                last = self._brokers[message.broker] = _Last()
            last.numbers[packet_id] = number
            last.connections[packet_id] = message.connection
            last.marks[packet_id] = _mark(message)

    def has(self, number: int, message: Message) -> bool:
        """Tell whether a message is a redelivery of one in the tail."""
        packet_id, last = message.packet_id, self._brokers.get(message.broker)
        return (
            message.dup
            and packet_id > 0
            and last is not None
            and last.numbers[packet_id] >= max(number - TAIL_ENTRIES, 1)
            and last.connections[packet_id] != message.connection
            and last.marks[packet_id] == _mark(message)
        )


def _mark(message: Message) -> int:
    """Return 64 bits of what it says, keyed anew with each process: the tail is never stored."""
    return hash((message.topic, message.payload))
