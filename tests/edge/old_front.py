"""A broker that knows no MQTT 5: a door before a real one, that shows newer clients out as MQTT 3.1.1 demands."""

import contextlib
import socket
import threading
from typing import Final

from tests.cluster.ports import LOOPBACK

_REFUSED: Final = b"\x20\x02\x00\x01"
"""A CONNACK of 3.1.1: unacceptable protocol version (3.2.2.3)."""
_LEVEL_AT: Final = 6
"""Of the protocol level, after the fixed header: the length and the letters of MQTT stand before it."""


class OldFront:
    """Listens on a free port until closed."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._door = socket.create_server((LOOPBACK, 0))
        self.port: int = self._door.getsockname()[1]
        self.refused = 0
        threading.Thread(target=self._open, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def _open(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._admit, args=(client,), daemon=True).start()

    def _admit(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            first = client.recv(4096)
            if _level(first) > 4:
                self.refused += 1
                client.sendall(_REFUSED)
                return
            with socket.create_connection((LOOPBACK, self._broker_port)) as broker:
                broker.sendall(first)
                back = threading.Thread(target=_pass, args=(broker, client), daemon=True)
                back.start()
                _pass(client, broker)
                back.join()


def _level(connect: bytes) -> int:
    length_bytes = next(at for at in range(1, 5) if not connect[at] & 0x80)
    return connect[1 + length_bytes + _LEVEL_AT]


def _pass(source: socket.socket, to: socket.socket) -> None:
    """Until one of them has enough; then neither gets more."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)
    for end in (source, to):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
