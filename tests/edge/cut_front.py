"""A door before a broker that falls shut in the middle of a packet, again and again, and lets the next one in."""

import contextlib
import random
import socket
import struct
import threading
from typing import Final

from tests.cluster.ports import LOOPBACK

_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: no goodbye, and nothing that was not sent yet is sent."""


class CutFront:
    """Listens on a free port until closed. Each connection is cut once the broker has sent so many bytes."""

    def __init__(self, broker_port: int, *, cuts: int, least: int, most: int) -> None:
        self._broker_port = broker_port
        self._left = cuts
        self._moments = random.Random(11)  # noqa: S311 - the same moments again
        self._bytes = (least, most)
        self._door = socket.create_server((LOOPBACK, 0))
        self.port: int = self._door.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._open, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def _open(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._admit, args=(client,), daemon=True).start()

    def _admit(self, client: socket.socket) -> None:
        with client, socket.create_connection((LOOPBACK, self._broker_port)) as broker:
            threading.Thread(target=_pass, args=(client, broker), daemon=True).start()
            if self.cuts >= self._left:
                _pass(broker, client)
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


def _pass(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
    for end in (source, to):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
