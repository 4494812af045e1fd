"""A broker that knows no MQTT 5: a door before a real one, that shows newer clients out as MQTT 3.1.1 demands."""

import contextlib
import socket
import threading
from typing import Final

from tests.edge.front import Front, pass_on

_REFUSED: Final = b"\x20\x02\x00\x01"
"""A CONNACK of 3.1.1: unacceptable protocol version (3.2.2.3)."""
_LEVEL_AT: Final = 6
"""Of the protocol level, after the fixed header: the length and the letters of MQTT stand before it."""


class OldFront(Front):
    """Counts whom it shows out."""

    def __init__(self, broker_port: int) -> None:
        self.refused = 0
        super().__init__(broker_port)

    def admit(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            first = client.recv(4096)
            if _level(first) > 4:
                self.refused += 1
                client.sendall(_REFUSED)
                return
            with self.to_broker() as broker:
                broker.sendall(first)
                back = threading.Thread(target=pass_on, args=(broker, client), daemon=True)
                back.start()
                pass_on(client, broker)
                back.join()


def _level(connect: bytes) -> int:
    length_bytes = next(at for at in range(1, 5) if not connect[at] & 0x80)
    return connect[1 + length_bytes + _LEVEL_AT]
