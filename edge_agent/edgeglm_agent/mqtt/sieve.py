"""A socket for paho that keeps the publications of QoS 1 back, in batches, and acknowledges batches.

Paho reads packet by packet and byte by byte, and wakes its thread with each acknowledgement; that is most of what a
message costs. Behind this socket it does all else that a client does: it connects, subscribes, keeps alive, publishes.
As its own wrapper for websockets is, this is between it and the network, and paho knows nothing of it.
"""

import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from edgeglm_agent.mqtt.sift import Sifted, passed_on, sift

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

READ_BYTES: Final = 256 * 1024
"""At most. With each read the interpreter lock goes to the fold, and has to be waited for."""
BATCH_MESSAGES: Final = 512
MAX_WAITING_ACK_BYTES: Final = 4 * 65_535
"""One for each packet id that there is: a broker that takes none of them does not listen."""
_WOULD_BLOCK: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Sieve:
    """One connection. Paho's network thread reads and writes; the acknowledgements come from the writer's thread."""

    # The socket does not block: what is not there, or not taken, is said so at once.
    def __init__(self, socket: "SocketLike", take: Callable[[list[Sifted]], None], *, properties: bool) -> None:
        self._socket = socket
        self._take = take
        self._properties = properties
        self._data = b""
        self._at = 0
        self._passing = 0
        """How many bytes more of the packet at hand are paho's."""
        self._looked = True
        """Whether what is in the buffer is known to be no whole packet."""
        self._turn = threading.Lock()
        """One of us uses the socket at a time, as TLS demands; nobody waits for the network meanwhile."""
        self._acks = b""
        self._midway = False
        """Whether paho is to send the rest of a packet, so that nothing else may be sent before it."""

    def recv(self, buffer_size: int) -> bytes:
        """Return bytes of a packet that is paho's; raises BlockingIOError when there is none yet."""
        if not self._passing:
            self._find()
        elif self._at == len(self._data):
            self._read()
        chunk = self._data[self._at : self._at + min(buffer_size, self._passing)]
        self._at += len(chunk)
        self._passing -= len(chunk)
        self._looked = False
        return chunk

    def pending(self) -> int:
        """Return how many bytes need not be waited for."""
        mine = 0 if self._looked else len(self._data) - self._at
        return mine + (self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0)

    def send(self, buffer: bytes | bytearray) -> int:
        """Send what paho says, after what is acknowledged already."""
        with self._turn:
            if not self._midway:
                self._send_acks()
                if self._acks:
                    raise BlockingIOError
            self._midway = True
            sent = self._socket.send(buffer)
            self._midway = sent < len(buffer)
            if not self._midway:
                self._send_acks()
            return sent

    @property
    def owes(self) -> bool:
        """Whether acknowledgements wait for a network that takes them."""
        return bool(self._acks)

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """Acknowledge in this order, from any thread; raises OSError when the connection is gone, or takes no more.

        What the network does not take now goes before all that is sent next.
        """
        acks = b"".join([b"\x40\x02" + packet_id.to_bytes(2) for packet_id in packet_ids])
        with self._turn:
            if len(self._acks) > MAX_WAITING_ACK_BYTES:
                raise OSError("the broker takes no acknowledgements")
            self._acks += acks
            if not self._midway:
                self._send_acks()

    def settle(self) -> None:
        """Send the acknowledgements that wait, as far as the network takes them; of its end the next read tells."""
        with self._turn, suppress(OSError):
            if not self._midway:
                self._send_acks()

    def close(self) -> None:
        """Close it."""
        with self._turn:
            self._socket.close()

    def fileno(self) -> int:
        """Return its number, to be waited for."""
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - as sockets have it
        """Let it block, or not; paho wants it not to."""
        self._socket.setblocking(flag)

    def _find(self) -> None:
        """Look for a packet of paho's, in what is here or else in one read more; raises BlockingIOError."""
        if self._looked:
            self._read()
        self._sift()
        if not self._passing:
            raise BlockingIOError

    def _sift(self) -> None:
        """Take one batch, and not all that there are: each may wait for room, and paho has a keep-alive to look at."""
        batch, self._at = sift(self._data, self._at, properties=self._properties, most=BATCH_MESSAGES)
        if batch:
            self._take(batch)
        self._passing = passed_on(self._data, self._at)
        self._looked = not self._passing and (not batch or self._at == len(self._data))

    def _read(self) -> None:
        with self._turn:
            data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        self._data, self._at = self._data[self._at :] + data, 0

    def _send_acks(self) -> None:
        try:
            while self._acks:
                self._acks = self._acks[self._socket.send(self._acks) :]
        except _WOULD_BLOCK:
            return
