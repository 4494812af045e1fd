"""What stands in the raw log. Arrival times are in it because they are the only clock of a replay."""

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True, tag="m", gc=False):
    """One received PUBLISH, undecoded."""

    arrived_ns: int
    broker: str
    connection: int
    """Names the connection among those of all runs; a redelivery comes on another than the first delivery did."""
    packet_id: int
    """0 for QoS 0."""
    dup: bool
    topic: str
    payload: bytes
    size: int
    """Of the payload as received; larger than what is kept when it was too large."""
    retained: bool = False
    """Sent because we began to listen, and not because it was just published."""


class Connected(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """A connection began; without a resumed session, packet ids start anew and nothing is redelivered."""

    arrived_ns: int
    broker: str
    connection: int
    resumed: bool


class Disconnected(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    """A connection ended. Until the next one nothing can be heard, so silence means nothing."""

    arrived_ns: int
    broker: str
    connection: int = 0
    """0 in logs from before it was told."""


class Tick(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """Nothing was heard, and time went by: written before any window is closed for it."""

    arrived_ns: int


class ClockSet(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """The clock was set: what was heard before it was heard at a time that cannot be compared with what follows."""

    arrived_ns: int
    """By the clock as it is now."""


class Redriven(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """A dead letter on its way again; the graph and the source that refused it, and nobody else, get it."""

    arrived_ns: int
    """When it was driven again; the message in it has kept its own time of arrival."""
    seq: int
    """Names the letter, for ever."""
    graph: str
    source: str
    message: Message


Entry = Message | Connected | Disconnected | Tick | ClockSet | Redriven
