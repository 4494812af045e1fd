"""A door before a broker that falls shut in the middle of a packet, again and again, and lets the next one in."""

import contextlib
import random
import socket
import struct
import threading
from typing import Final

from tests.edge.front import Front, pass_on

_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: no goodbye, and nothing that was not sent yet is sent."""


class CutFront(Front):
    """Each connection is cut once the broker has sent so many bytes."""

    def __init__(self, broker_port: int, *, cuts: int, least: int, most: int) -> None:
        self._left = cuts
        self._moments = random.Random(11)  # noqa: S311 - the same moments again
        self._bytes = (least, most)
        self.cuts = 0
        super().__init__(broker_port)

    def admit(self, client: socket.socket) -> None:
        with client, self.to_broker() as broker:
            threading.Thread(target=pass_on, args=(client, broker), daemon=True).start()
            if self.cuts >= self._left:
                pass_on(broker, client)
                return
            with contextlib.suppress(OSError):
                left = self._moments.randint(*self._bytes)
                while data := broker.recv(min(left, 65536)):
                    client.sendall(data)
                    left -= len(data)
                    if not left:
                        self.cuts += 1
                        break
            for end in (client, broker):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
